/**
 * HTTP/2 connections to one app. Requests share them up to as many at once as the app allows; the next one opens another.
 * Apps close connections on which too many requests are taken back, whoever it was. So one on which many were takes no more.
 *
 * take: O(connections), of which there are few. sweep: the same.
 */
import type { ClientHttp2Session, ClientHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { http2 } from "../socket/node-http2.ts";
import { HTTP2_ALPN } from "../socket/tls-settings.ts";
import { AppAddresses } from "./app-addresses.ts";
import { type AppPlace, connectApp, onceConnected } from "./app-socket.ts";

export interface Http2SessionsOptions {
  readonly app: AppPlace;
  readonly connectTimeoutMs: number;
  readonly idleMs: number;
}

/** Until the app has said how many it takes. */
const STREAMS_AT_FIRST = 100;
/** More of them on one connection may be taken back at once than an app lets pass, even if it lets as many be open. */
const STREAMS_MAX = 250;
/** Together with those that may still be on the connection: half of what Node's own server takes at once. */
const TAKEN_BACK_MAX = 250;
/** What an answer may have on its way to us; held for as long as its client does not take it. */
const STREAM_WINDOW_BYTES = 256 * 1024;
const CONNECTION_WINDOW_BYTES = 4 * 1024 * 1024;
const SESSION_MEMORY_MB = 64;
/** RFC 9113 §7. */
const NO_ERROR = 0x0;

export class AppSession {
  readonly #session: ClientHttp2Session;
  /** Requests on it. */
  active = 0;
  connected = false;
  readonly socket: Socket;
  /** It takes new requests. */
  usable = true;
  /** It has served before: the app may be closing it just now. */
  reused = false;
  /** What broke it, as something that the app did. */
  error: Error | undefined;
  /** The app broke the rules of HTTP/2. */
  brokeProtocol = false;
  idleSince = 0;
  #streamsMax = STREAMS_AT_FIRST;
  #takenBack = 0;

  constructor({ app, connectTimeoutMs }: Http2SessionsOptions, gone: (session: AppSession) => void) {
    const socket = connectApp(app, connectTimeoutMs);
    this.socket = socket;
    onceConnected(socket, () => {
      if (app.tls !== undefined && (socket as TLSSocket).alpnProtocol !== HTTP2_ALPN) {
        socket.destroy(new Error("it did not agree to HTTP/2"));
        return;
      }
      this.connected = true;
    });
    this.#session = http2().connect("http://app", {
      createConnection: () => socket,
      settings: { enablePush: false, initialWindowSize: STREAM_WINDOW_BYTES },
      maxSessionMemory: SESSION_MEMORY_MB,
      strictSingleValueFields: false,
      // Else a field with blanks at its ends would be left out without a word.
      strictFieldWhitespaceValidation: false,
    } as object);
    const session = this.#session;
    session.on("connect", () => session.setLocalWindowSize(CONNECTION_WINDOW_BYTES));
    session.on("remoteSettings", ({ maxConcurrentStreams }) => {
      this.#streamsMax = Math.min(STREAMS_MAX, maxConcurrentStreams ?? STREAMS_MAX);
    });
    session.on("goaway", (code) => {
      this.usable = false;
      if (code !== NO_ERROR) this.error ??= new Error(`it ended the connection by GOAWAY with code ${code}`);
    });
    session.on("error", (error) => this.failed(error));
    session.on("close", () => {
      this.usable = false;
      gone(this);
    });
    // The app closed its side: it can neither be asked nor answer.
    socket.on("end", () => {
      this.error ??= new Error("it closed the connection");
      this.destroy();
    });
  }

  get hasRoom(): boolean {
    return this.usable && this.active < this.#streamsMax;
  }

  request(fields: readonly string[], endStream: boolean, waitForTrailers: boolean): ClientHttp2Stream {
    return this.#session.request(fields, { endStream, waitForTrailers });
  }

  /** Too many requests on it were taken back: it only waits for those that are on it still. */
  get worn(): boolean {
    return this.#takenBack >= TAKEN_BACK_MAX;
  }

  /** A request on it was reset before its end. */
  tookBack(): void {
    this.#takenBack++;
    if (this.worn) this.usable = false;
  }

  /** Its streams hear of what broke it before it says so itself. */
  failed(error: Error & { readonly code?: string }): void {
    this.usable = false;
    this.brokeProtocol ||= error.code === "ERR_HTTP2_ERROR";
    this.error ??= this.brokeProtocol ? new Error(`it broke HTTP/2: ${error.message}`, { cause: error }) : error;
  }

  /** Closes when the requests on it are answered. */
  close(): void {
    this.usable = false;
    this.#session.close();
  }

  destroy(): void {
    this.usable = false;
    this.#session.destroy();
  }
}

export class Http2Sessions {
  readonly #options: Http2SessionsOptions;
  readonly #sessions = new Set<AppSession>();
  /** Undefined where the app has no name. */
  readonly #addresses: AppAddresses | undefined;

  constructor(options: Http2SessionsOptions) {
    this.#options = options;
    this.#addresses = AppAddresses.of(options.app, () => this.#letGo());
  }

  /** Connections, idle and busy. */
  get open(): number {
    return this.#sessions.size;
  }

  /** One with room for another request, which counts from now on; it is owed one `give`. */
  take(): AppSession {
    let taken: AppSession | undefined;
    for (const session of this.#sessions) {
      if (!session.hasRoom) continue;
      taken = session;
      break;
    }
    if (taken === undefined) {
      taken = new AppSession(this.#options, (session) => this.#sessions.delete(session));
      this.#sessions.add(taken);
    }
    taken.active++;
    return taken;
  }

  give(session: AppSession, now: number): void {
    session.active--;
    session.idleSince = now;
    session.reused = true;
    if (session.worn && session.active === 0) session.close();
  }

  sweep(now: number): void {
    if (this.#sessions.size > 0) this.#addresses?.sweep(now);
    for (const session of this.#sessions) {
      if (session.active === 0 && session.reused && now - session.idleSince >= this.#options.idleMs) session.close();
    }
  }

  /** Gives nothing more to connections to where the app is no more. */
  #letGo(): void {
    for (const session of this.#sessions) if (!this.#addresses!.has(session.socket)) session.close();
  }

  close(): void {
    for (const session of this.#sessions) session.destroy();
  }
}
