/**
 * One client's HTTP/1.1 connection: requests in order, one exchange at a time, each step in its time.
 *
 * `RequestIntake` takes apart what the client sends, `RequestTurn` has it answered, `Http1Writer` writes the answer; here is
 * in which phase they meet, and how a connection ends.
 */
import type { Socket } from "node:net";
import type { ByteSink } from "../base/byte-stream.ts";
import { PolarityError } from "../base/errors.ts";
import type { ForwardingContext } from "../http/request-forwarding.ts";
import type { RequestHead } from "../http/request-head.ts";
import type { ResponseHead } from "../http/response-head.ts";
import type { HttpExchange } from "../session/http-exchange.ts";
import { QUIET_PROBE_MS, type SocketStream } from "../socket/socket-stream.ts";
import type { ClientConnection } from "./client-connection.ts";
import { Http1Writer } from "./http1-writer.ts";
import type { RequestHost, RequestLimits } from "./request-host.ts";
import { intakeMode, LINGER_MS, LONG_ANSWER_MS, type Phase } from "./http1-phase.ts";
import { type ActiveSession, exchangeSession } from "./listener.ts";
import { HTTP2_PREFACE, type IntakeHost, RequestIntake } from "./request-intake.ts";
import { RequestTurn, type TurnHost } from "./request-turn.ts";
import { ReaderWatch } from "./reader-watch.ts";
import type { ClientAddress } from "./server-socket.ts";

export interface Http1ConnectionHost extends RequestHost {
  closed(connection: ClientConnection): void;
  /** The client speaks HTTP/2 from here on: its socket is given up. `first`: its bytes so far. False: not here. */
  http2Begins(connection: Http1Connection, first: Buffer): boolean;
}

let connectionsCreated = 0;

export class Http1Connection implements ClientConnection, ByteSink, IntakeHost, TurnHost {
  readonly #id = ++connectionsCreated;
  readonly client: ClientAddress;
  headBeganAt = 0;
  readonly #host: Http1ConnectionHost;
  readonly #stream: SocketStream;
  readonly #intake: RequestIntake;
  readonly #writer: Http1Writer;
  readonly #turn: RequestTurn;
  readonly #reader: ReaderWatch;
  #phase: Phase = "head";
  #clientEnded = false;
  /** A request has come, so that the connection's version of HTTP is settled. */
  #requested = false;
  /** The next request waits until the client has taken enough of the answers before it. */
  #awaitsReader = false;
  /** What had arrived when the body's progress was last looked at. */
  #bytesInSeen = 0;
  /** What had been sent when a client that closed its side was last looked at. */
  #bytesOutSeen = 0;
  /** When `sweep` ends the connection, on the sessions' clock. */
  #deadline: number;

  constructor(host: Http1ConnectionHost, stream: SocketStream, client: ClientAddress, forwarding: ForwardingContext) {
    this.#host = host;
    this.#stream = stream;
    this.client = client;
    this.#intake = new RequestIntake(this, stream, host.limits);
    this.#writer = new Http1Writer(host, stream);
    this.#turn = new RequestTurn(this, this.#writer, host, client.text, forwarding);
    this.#deadline = host.context.clock.now() + host.limits.idleTimeoutMs;
    this.#reader = new ReaderWatch(stream, client.who);
    stream.sink = this;
  }

  get exchange(): HttpExchange | undefined {
    return this.#turn.exchange;
  }

  get busy(): number {
    return this.exchange !== undefined || this.#phase === "waiting" || this.#intake.headStarted ? 1 : 0;
  }

  *exchanges(): Iterable<HttpExchange> {
    if (this.exchange !== undefined) yield this.exchange;
  }

  *sessions(): Iterable<ActiveSession> {
    const { bytesIn, bytesOut } = this.#stream;
    if (this.exchange !== undefined) yield exchangeSession(this.#id, this.client, this.exchange, bytesIn, bytesOut);
  }

  /** An idle connection closes now; a busy one does when it has answered, as the host is draining. */
  closeIfIdle(): void {
    if (this.#phase === "head" && !this.#intake.headStarted) this.#linger();
  }

  yield(): boolean {
    const idle = this.#phase === "head" && !this.#stream.waiting;
    if (idle) this.#closeAfterWrites();
    return idle;
  }

  abort(error: PolarityError): void {
    this.exchange?.abort(error);
    this.cut(error);
  }

  sweep(now: number): void {
    // Bytes of a tunnel may wait: what they mean, and for how long, is between its ends.
    const answers = this.exchange !== undefined && this.#phase !== "tunnel";
    const stalled = answers ? this.#reader.problem(now, this.#host.limits.sendTimeoutMs) : undefined;
    if (stalled !== undefined) this.bodyBroken(stalled);
    if (now < this.#deadline) return;
    if (this.#phase === "head") {
      if (!this.#intake.headStarted) this.#linger();
      else {
        const { headTimeoutMs } = this.#host.limits;
        this.#turn.refuseHead(new PolarityError("SLOW_HEAD", `the request head took longer than ${headTimeoutMs} ms`));
      }
    } else if (this.#phase === "body") {
      this.#sweepBody(now);
    } else if (this.#phase === "linger" || this.#phase === "discard" || this.#awaitsReader) {
      this.#closeAfterWrites();
    } else if (this.#phase === "response") {
      this.#sweepReader(now);
    } else if (this.#phase === "closing" && this.#stream.gone) {
      this.#close();
    }
  }

  /**
   * A client that closed its side may read on, or be gone: its system tells them apart only when it is sent something.
   * While the answer moves it does; while it stands still the client has the benefit of the doubt for a time.
   */
  #sweepReader(now: number): void {
    if (!this.#clientEnded) {
      this.#stream.probeAfter(QUIET_PROBE_MS);
      this.#deadline = Number.POSITIVE_INFINITY;
      return;
    }
    const { halfCloseTimeoutMs } = this.#host.limits;
    const { bytesOut } = this.#stream;
    if (bytesOut === this.#bytesOutSeen && !this.#stream.full) {
      const waited = `closed its side, and nothing could be sent to it for ${halfCloseTimeoutMs} ms`;
      this.abort(new PolarityError("CLIENT_GONE", `${this.client.who} ${waited}`));
      return;
    }
    this.#bytesOutSeen = bytesOut;
    this.#deadline = now + halfCloseTimeoutMs;
  }

  /** The request is with its service whole: what is awaited now is the answer. */
  #awaitAnswer(): void {
    this.#bytesOutSeen = this.#stream.bytesOut;
    this.#deadline = this.#clientEnded
      ? this.#host.context.clock.now() + this.#host.limits.halfCloseTimeoutMs
      : this.#turn.startedAt + LONG_ANSWER_MS;
  }

  #sweepBody(now: number): void {
    const { idleTimeoutMs } = this.#host.limits;
    const { bytesIn } = this.#stream;
    // Where the answer has begun, the two may be talking: a client that says nothing for a while is no fault.
    if (bytesIn === this.#bytesInSeen && !this.#turn.inTalk && !this.#intake.owing) {
      this.bodyBroken(new PolarityError("SLOW_BODY", `no byte of the request body arrived for ${idleTimeoutMs} ms`));
      return;
    }
    if (this.#turn.inTalk) this.#stream.probeAfter(QUIET_PROBE_MS);
    this.#bytesInSeen = bytesIn;
    this.#deadline = now + idleTimeoutMs;
  }

  // ── ByteSink: the client ──

  data(chunk: Buffer): void {
    this.#host.statistics.bytesIn += chunk.length;
    this.#intake.receive(chunk);
  }

  end(): void {
    this.#clientEnded = true;
    if (this.#phase === "tunnel") this.#turn.endTunnel();
    else if (this.#phase === "response" && !this.#awaitsReader) this.#awaitAnswer();
    else if (this.#phase !== "response" && this.#phase !== "waiting") this.#endOfRequests();
  }

  reset(error: PolarityError): void {
    this.exchange?.abort(error);
    this.#close();
  }

  drain(): void {
    this.exchange?.responseDrained();
    if (!this.#awaitsReader || this.#phase !== "response") return;
    this.#awaitsReader = false;
    this.#nextRequest();
  }

  // ── IntakeHost: what the client sends ──

  get limits(): RequestLimits {
    return this.#host.limits;
  }

  headBegins(): void {
    this.headBeganAt = this.#host.context.clock.now();
    this.#deadline = this.headBeganAt + this.#host.limits.headTimeoutMs;
  }

  headBroken(error: PolarityError, method: string): void {
    this.#host.statistics.requests++;
    this.#turn.refuseHead(error, method);
  }

  http2Begins(rest: Buffer): boolean {
    if (this.#requested) return false;
    const first = Buffer.concat([Buffer.from(HTTP2_PREFACE, "latin1"), rest]);
    if (!this.#host.http2Begins(this, first)) return false;
    this.#enter("closed");
    return true;
  }

  /** Gives the socket up; nothing more happens here. */
  detach(): Socket {
    return this.#stream.detach();
  }

  request(head: RequestHead): void {
    this.#requested = true;
    this.#deadline = Number.POSITIVE_INFINITY;
    this.#host.statistics.requests++;
    this.#turn.start(head, this.#intake.bodyProblem?.toError());
    this.headBeganAt = 0;
  }

  body(chunk: Buffer): boolean {
    const { exchange } = this.#turn;
    return exchange === undefined || exchange.requestBody(chunk);
  }

  bodyEnded(): void {
    this.#enter("response");
    this.#awaitAnswer();
    this.exchange?.requestEnd();
  }

  bodyBroken(error: PolarityError): void {
    this.exchange?.abort(error);
    this.#turn.failed(error);
  }

  discarded(complete: boolean): void {
    if (complete) this.#nextRequest();
    else this.#linger();
  }

  // ── TurnHost: what it is answered ──

  get bodyComplete(): boolean {
    return this.#intake.bodyComplete;
  }

  get bodyArriving(): boolean {
    return this.#phase === "body";
  }

  limitBody(bytesMax: number): PolarityError | undefined {
    return this.#intake.limitBody(bytesMax);
  }

  waits(): void {
    this.#enter("waiting");
  }

  begins(exchange: HttpExchange): void {
    const complete = this.#intake.bodyComplete;
    this.#enter(complete ? "response" : "body");
    if (complete) {
      this.#awaitAnswer();
    } else {
      this.#bytesInSeen = this.#stream.bytesIn;
      this.#deadline = this.#turn.startedAt + this.#host.limits.idleTimeoutMs;
    }
    exchange.start();
    if (this.exchange !== exchange) return;
    if (complete) exchange.requestEnd();
    else if (this.#intake.holding) this.#resumeIntake();
  }

  tunnelBegins(request: RequestHead, head: ResponseHead, rest: Buffer): boolean {
    this.#enter("tunnel");
    this.#stream.probeAfter(QUIET_PROBE_MS);
    const room = this.#writer.head(request, head, rest);
    if (this.#intake.holding) this.#resumeIntake();
    if (this.#clientEnded) this.exchange?.requestEnd();
    return room;
  }

  tunnelEnded(): void {
    this.#closeAfterWrites();
  }

  answered(): void {
    const close = this.#writer.closes;
    this.#writer.finish();
    if (close) {
      this.#linger();
    } else if (this.#phase === "body") {
      this.#enter("discard");
      this.#deadline = this.#host.context.clock.now() + LINGER_MS;
      if (this.#intake.bodyComplete) this.#nextRequest();
      else this.#intake.giveCredit();
    } else {
      this.#nextRequest();
    }
  }

  cut(error: PolarityError): void {
    this.#stream.reset(error);
    this.#close();
  }

  requestDrained(): void {
    this.#intake.giveCredit();
  }

  // ── from one request to the next, and to the end ──

  #enter(phase: Phase): void {
    this.#phase = phase;
    this.#intake.mode = intakeMode(phase);
  }

  #nextRequest(): void {
    // What the service did not take of the last request has no reader any more.
    this.#intake.giveCredit();
    this.#deadline = this.#host.context.clock.now() + this.#host.limits.idleTimeoutMs;
    // Whoever asks without reading the answers would otherwise have all of them kept here.
    this.#awaitsReader = this.#stream.full;
    if (this.#awaitsReader) {
      this.#enter("response");
      return;
    }
    this.#enter("head");
    if (this.#intake.holding) this.#resumeIntake();
    else if (this.#host.draining || (this.#clientEnded && !this.#intake.processing)) this.#linger();
  }

  #resumeIntake(): void {
    if (this.#intake.resume() && this.#clientEnded) this.#endOfRequests();
  }

  /** The client sends nothing more, and all that it sent has been looked at. */
  #endOfRequests(): void {
    switch (this.#phase) {
      case "head":
      case "discard":
      case "linger":
        this.#closeAfterWrites();
        return;
      case "body":
        this.abort(new PolarityError("CLIENT_GONE", `${this.client.who} closed in the middle of its request`));
        return;
      case "waiting":
      case "response":
      case "tunnel":
      case "closing":
      case "closed":
    }
  }

  /**
   * Says that we are done and reads on until the client is, for a while: closing with unread bytes would reset the
   * connection and could take our last answer with it.
   */
  #linger(): void {
    this.#enter("linger");
    // What was held back has no taker any more, and the client must be read to its end.
    this.#intake.dropHeld();
    this.#intake.giveCredit();
    if (this.#clientEnded) {
      this.#closeAfterWrites();
      return;
    }
    this.#stream.end();
    this.#deadline = this.#host.context.clock.now() + LINGER_MS;
  }

  /** The last bytes leave, however slowly the client takes them; the connection counts until they have. */
  #closeAfterWrites(): void {
    this.#enter("closing");
    this.#intake.dropHeld();
    this.#deadline = 0;
    this.#stream.closeAfterWrites();
  }

  #close(): void {
    if (this.#phase === "closed") return;
    this.#enter("closed");
    this.#intake.dropHeld();
    this.#turn.forget();
    this.#host.closed(this);
  }
}
