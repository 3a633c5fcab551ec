/**
 * One client's HTTP/2 connection: its requests, how many and how odd they may be, and how it ends.
 *
 * Frames, compression and windows are node:http2's; it checks fields and frames by the rules and refuses floods that it
 * can see by itself. What it cannot see is counted here.
 */
import { randomBytes } from "node:crypto";
import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import { PolarityError } from "../base/errors.ts";
import type { Holding } from "../base/held-memory.ts";
import { guarded, internalError, sweepOne } from "../base/internal-error.ts";
import { requestHeadText } from "../http/http2-fields.ts";
import { HttpProblem } from "../http/http-problem.ts";
import type { ForwardingContext } from "../http/request-forwarding.ts";
import { parseRequestHead, type RequestHead } from "../http/request-head.ts";
import type { HttpExchange } from "../session/http-exchange.ts";
import { http2 } from "../socket/node-http2.ts";
import { resetSocket } from "../socket/socket-stream.ts";
import type { ClientConnection } from "./client-connection.ts";
import { Http2Allowance } from "./http2-allowance.ts";
import { Http2Request, type Http2RequestHost } from "./http2-request.ts";
import { type ActiveSession, exchangeSession } from "./listener.ts";
import { UnheardRequests } from "./http2-unheard.ts";
import type { RequestHost } from "./request-host.ts";
import type { ClientAddress } from "./server-socket.ts";

export interface Http2ConnectionHost extends RequestHost {
  /** A client's requests were refused before they were any, or its connection was ended. */
  refused(client: ClientAddress, error: PolarityError): void;
  closed(connection: ClientConnection): void;
}

/** What an upload may have on its way to us; held for as long as its service does not take it. */
const STREAM_WINDOW_BYTES = 128 * 1024;
const CONNECTION_WINDOW_BYTES = 1024 * 1024;
/** RFC 9113 §6.5.2 counts this much for each field of a head, beside its text. */
const FIELD_OVERHEAD_BYTES = 32;
/** Pseudo-fields, and cookies in pieces, beyond the fields that a head in text may have. */
const FURTHER_FIELDS = 100;
/** Mebibytes of frames, streams and compression state that one connection may cost. */
const SESSION_MEMORY_MB = 16;
const END_STREAM = 0x1;
const STREAM_ID_MAX = 2 ** 31 - 1;

// RFC 9113 §7.
const NO_ERROR = 0x0;
const INTERNAL_ERROR = 0x2;
const ENHANCE_YOUR_CALM = 0xb;

export class Http2Connection implements ClientConnection, Http2RequestHost {
  readonly host: Http2ConnectionHost;
  readonly client: ClientAddress;
  readonly forwarding: ForwardingContext;
  readonly #socket: Socket;
  readonly #session: ServerHttp2Session;
  readonly #requests = new Set<Http2Request>();
  readonly #allowance: Http2Allowance;
  #deadline: number;
  /** Its preface is through. */
  #settled = false;
  #closing = false;
  #over = false;
  /** Bytes of the connection as last counted, and what of them were heads and bodies. */
  #bytesIn: number;
  #bytesOut: number;
  #usefulBytes = 0;
  /** What the client may have had under way of uploads that we ended before all of them was here. */
  #underWayBytes = 0;
  readonly #unheard = new UnheardRequests();
  /** What ended the connection, where it was not that the client closed it. */
  #cause: PolarityError | undefined;

  /** Takes over a connected socket, plain or TLS. `first`: bytes that were read from it already. */
  constructor(
    host: Http2ConnectionHost,
    socket: Socket,
    client: ClientAddress,
    forwarding: ForwardingContext,
    first?: Buffer,
  ) {
    this.host = host;
    this.client = client;
    this.forwarding = forwarding;
    this.#socket = socket;
    const { limits, context } = host;
    const now = context.clock.now();
    this.#bytesIn = socket.bytesRead;
    this.#bytesOut = socket.bytesWritten;
    this.#allowance = new Http2Allowance(limits.resetsPerSecond, now);
    // Until the preface is through, the connection has as long as a head.
    this.#deadline = now + limits.headTimeoutMs;
    socket.pause();
    if (first !== undefined && first.length > 0) socket.unshift(first);
    socket.on("end", () => this.#guarded(() => this.#clientEnded()));
    this.#session = http2().performServerHandshake(socket, {
      settings: {
        // Node counts a stream until it is cleaned up, a moment after it ended, and turns away who begins one meanwhile. So this
        // has to be more than browsers ask for at once, which is 256.
        maxConcurrentStreams: limits.streamsMax,
        initialWindowSize: STREAM_WINDOW_BYTES,
        maxHeaderListSize: limits.headBytesMax + FIELD_OVERHEAD_BYTES * limits.fieldCountMax,
        enableConnectProtocol: true,
        enablePush: false,
      },
      maxHeaderListPairs: limits.fieldCountMax + FURTHER_FIELDS,
      maxSessionMemory: SESSION_MEMORY_MB,
      maxSessionInvalidFrames: 20,
      maxSessionRejectedStreams: 20,
      // Ours is to speak first, because it tells requests taken back from requests answered.
      streamResetBurst: 20 * limits.resetsPerSecond,
      streamResetRate: 10 * limits.resetsPerSecond,
      strictSingleValueFields: false,
      // Else a field with blanks at its ends would be left out without a word.
      strictFieldWhitespaceValidation: false,
    });
    this.#listen();
  }

  get busy(): number {
    return this.#requests.size;
  }

  *exchanges(): Iterable<HttpExchange> {
    for (const { exchange } of this.#requests) if (exchange !== undefined) yield exchange;
  }

  *holdings(): Iterable<Holding> {
    for (const request of this.#requests) {
      if (request.heldBytes > 0) yield request;
      if (request.exchange !== undefined) yield request.exchange;
    }
  }

  *sessions(): Iterable<ActiveSession> {
    for (const request of this.#requests) {
      const { id, exchange, bytesIn, bytesOut } = request;
      if (exchange !== undefined) yield exchangeSession(id, this.client, exchange, bytesIn, bytesOut);
    }
  }

  /** Tells the client to take its next requests elsewhere; those on their way are still answered, or it hears that they are not. */
  closeIfIdle(): void {
    if (this.#over) return;
    if (this.#requests.size > 0) {
      this.windDown();
      return;
    }
    this.#beginClosing();
    this.#sayGoodbye();
  }

  yield(): boolean {
    const idle = this.#requests.size === 0 && !this.#closing && !this.#over;
    if (idle) this.closeIfIdle();
    return idle;
  }

  /** GOAWAY first with the highest id, so that no request on its way is lost; the end follows once the client knows (RFC 9113 §6.8). */
  windDown(): void {
    if (this.#closing || this.#over) return;
    this.#beginClosing();
    if (this.#session.destroyed) return;
    this.#session.goaway(NO_ERROR, STREAM_ID_MAX);
    // Once the client has answered, all that it sent before it knew is here.
    this.#session.ping(() => {
      if (this.#requests.size === 0) this.#sayGoodbye();
      else this.#session.close();
    });
  }

  abort(error: PolarityError): void {
    if (this.#requests.size === 0) {
      this.#session.destroy();
      return;
    }
    for (const request of this.#requests) request.abort(error);
    this.#session.destroy(error, INTERNAL_ERROR);
  }

  sweep(now: number): void {
    this.#count(now);
    for (const request of this.#requests) sweepOne(request, now);
    if (now < this.#deadline || this.#requests.size > 0) return;
    if (this.#closing || !this.#settled) this.#destroy();
    else this.closeIfIdle();
  }

  // ── Http2RequestHost ──

  moved(bytes: number): void {
    this.#allowance.moved(bytes);
  }

  clientReset(): void {
    this.#spend(this.#allowance.reset(this.#now), "takes back more requests than it lets be answered");
  }

  closed(request: Http2Request, answered: boolean): void {
    this.#requests.delete(request);
    this.#usefulBytes += request.takeUncounted();
    if (answered) this.#allowance.answered();
    if (request.stopped)
      this.#underWayBytes = Math.min(CONNECTION_WINDOW_BYTES, this.#underWayBytes + STREAM_WINDOW_BYTES);
    if (this.#requests.size > 0) return;
    if (this.#closing) this.#sayGoodbye();
    else if (this.host.draining) this.windDown();
    else this.#deadline = this.#now + this.host.limits.idleTimeoutMs;
  }

  // ── the session ──

  get #now(): number {
    return this.host.context.clock.now();
  }

  #listen(): void {
    const session = this.#session;
    session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    // `close` follows and ends all; a client that breaks the protocol has been told by GOAWAY.
    session.on("error", (error) => this.#guarded(() => this.#broken(error)));
    session.on("close", () => this.#guarded(() => this.#closed()));
    session.on("stream", (stream, _headers, flags, fields) => {
      try {
        this.#accept(stream, flags, fields);
      } catch (thrown) {
        internalError("http2", thrown);
        stream.on("error", () => {});
        stream.close(INTERNAL_ERROR);
      }
    });
    session.on("ping", () => this.#guarded(() => this.#spend(this.#allowance.ping(this.#now), "pings too often")));
    session.on("remoteSettings", () => this.#guarded(() => this.#settings()));
  }

  /** What fails here ends the connection. */
  #guarded(work: () => void): void {
    guarded("http2", work, (error) => this.abort(error));
  }

  #accept(stream: ServerHttp2Stream, flags: number, fields: string[]): void {
    const { host } = this;
    host.statistics.requests++;
    this.#allowance.requested();
    this.#countRefused(this.#unheard.heard(stream.id ?? 0));
    // It may have been taken back in the same breath.
    if (stream.destroyed || stream.aborted) {
      stream.on("error", () => {});
      this.clientReset();
      return;
    }
    const ends = (flags & END_STREAM) !== 0;
    const request = new Http2Request(this, stream, ends);
    this.#requests.add(request);
    request.start(this.#head(fields, ends));
  }

  #head(fields: string[], ends: boolean): RequestHead | HttpProblem {
    const { limits } = this.host;
    const key = fields.includes(":protocol") ? randomBytes(16).toString("base64") : "";
    const text = requestHeadText(fields, ends, key);
    if (text instanceof HttpProblem) return text;
    this.#usefulBytes += text.length;
    return text.length > limits.headBytesMax
      ? new HttpProblem("HEAD_TOO_LARGE", `the request head is larger than ${limits.headBytesMax} bytes`)
      : parseRequestHead(text, limits);
  }

  #settings(): void {
    const { idleTimeoutMs } = this.host.limits;
    this.#settled = true;
    if (this.#requests.size === 0 && !this.#closing) this.#deadline = this.#now + idleTimeoutMs;
    this.#spend(this.#allowance.settings(this.#now), "changes its settings too often");
  }

  #spend(allowed: boolean, what: string): void {
    if (allowed || this.#over || this.#session.destroyed) return;
    const error = new PolarityError("CLIENT_FLOOD", `${this.client.who} ${what}`);
    this.host.statistics.countError(error.code);
    this.host.refused(this.client, error);
    for (const request of this.#requests) request.abort(error);
    this.#session.destroy(error, ENHANCE_YOUR_CALM);
  }

  /** The session ended with an error. Ours was told before, and that of a socket is no breach of anything. */
  #broken(error: Error): void {
    if (error instanceof PolarityError || !("code" in error) || error.code !== "ERR_HTTP2_ERROR") return;
    const broken = new PolarityError("BAD_REQUEST", `${this.client.who} broke HTTP/2: ${error.message}`);
    this.#cause = broken;
    this.host.statistics.countError(broken.code);
    this.host.refused(this.client, broken);
  }

  /** Requests that node:http2 refused. */
  #countRefused(count: number): void {
    if (count === 0) return;
    const what = count === 1 ? "a request" : `${count} requests`;
    const why = "its fields break the rules of HTTP/2, or it was one too many at once";
    const error = new PolarityError("BAD_REQUEST", `${what} of ${this.client.who} was reset: ${why}`);
    for (let each = 0; each < count; each++) this.host.statistics.countError(error.code);
    this.host.refused(this.client, error);
  }

  #count(now: number): void {
    const { statistics } = this.host;
    const { bytesRead, bytesWritten } = this.#socket;
    const arrived = Math.max(0, bytesRead - this.#bytesIn);
    statistics.bytesIn += arrived;
    const sent = Math.max(0, bytesWritten - this.#bytesOut);
    statistics.bytesOut += sent;
    this.#allowance.moved(sent);
    this.#bytesIn = bytesRead;
    this.#bytesOut = bytesWritten;
    if ((arrived > 0 || this.#unheard.waiting) && !this.#session.destroyed) {
      this.#countRefused(this.#unheard.seen(this.#session.state.lastProcStreamID ?? 0, now));
    }
    if (arrived === 0) return;
    let useful = this.#usefulBytes;
    for (const request of this.#requests) useful += request.takeUncounted();
    this.#usefulBytes = 0;
    const excused = Math.min(this.#underWayBytes, Math.max(0, arrived - useful));
    this.#underWayBytes -= excused;
    this.#spend(this.#allowance.overhead(arrived - useful - excused, now), "sends more frames than requests");
  }

  /** A client without its side of the connection can neither ask nor give credit. */
  #clientEnded(): void {
    this.#count(this.#now);
    this.abort(new PolarityError("CLIENT_GONE", `${this.client.who} closed its side of the connection`));
  }

  /**
   * No request is left, and without any the session reads no more once it has said GOAWAY: what still comes is beyond the
   * last request that it names, which tells the client to ask elsewhere. Nor does it always end by itself.
   */
  #sayGoodbye(): void {
    if (this.#session.destroyed) return;
    this.#session.close();
    setImmediate(() => {
      if (this.#requests.size === 0 && !this.#session.destroyed) this.#session.destroy();
    });
  }

  #beginClosing(): void {
    this.#closing = true;
    this.#deadline = this.#now + this.host.limits.headTimeoutMs;
  }

  #destroy(): void {
    this.#session.destroy();
    // A client that takes not even our goodbye.
    if (!this.#socket.destroyed && this.#socket.writableLength > 0) resetSocket(this.#socket);
  }

  #closed(): void {
    if (this.#over) return;
    this.#count(this.#now);
    this.#countRefused(this.#unheard.rest());
    this.#over = true;
    const error = this.#cause ?? new PolarityError("CLIENT_GONE", `${this.client.who} closed the connection`);
    for (const request of this.#requests) request.abort(error);
    this.#requests.clear();
    if (!this.#socket.destroyed) this.#socket.destroy();
    this.host.closed(this);
  }
}
