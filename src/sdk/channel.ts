/**
 * The Channel contract: one conversation, whatever carries it (a websocket, a streaming HTTP exchange, a raw stream).
 *
 * Here is what all kinds share: one state, events in order, each end told once. Ports do the rest.
 */
import type { PolarityError } from "../base/errors.ts";
import type { ServiceStream, StreamInfo } from "./stream-duplex.ts";
import { isThenable } from "./stream-taker.ts";

/**
 * How a channel ended.
 * - `normal`, `going-away`, `protocol-error`, `unsupported`: as a websocket's close code said (1000 to 1003); `going-away`
 *   also when a node or link stopped.
 * - `server-close`, `client-close`: that side closed, without a code: by `close` here, or by ending or resetting its stream.
 * - `unknown`: anything else, such as a link that broke.
 */
export type CloseStatus =
  | "normal"
  | "going-away"
  | "protocol-error"
  | "unsupported"
  | "unknown"
  | "server-close"
  | "client-close";

/** Text (UTF-8) or bytes. On a websocket a text message or a binary one. */
export type ChannelBody = string | Uint8Array;

/**
 * What is sent: a body, or one with the status and headers of the response. Those count in the first `send` of a response,
 * where they default to 200 and none; otherwise, and on websockets and raw streams, they are passed over.
 */
export type ChannelData =
  | ChannelBody
  | {
      readonly status?: number;
      readonly headers?: Readonly<Record<string, string | readonly string[]>>;
      readonly body?: ChannelBody;
    };

/** One side of a conversation. */
export interface Channel {
  readonly isOpen: boolean;
  readonly isWebSocket: boolean;
  /** Closes it once what was sent has left. True only when this call closed it. */
  close(): boolean;
  /** Queues data and returns at once: true if it is queued, false if the channel is closed. */
  send(data: ChannelData): boolean;
}

/** What hears of a channel. Nothing is told after `onClose`. */
export interface ChannelHandler {
  /** A message of a websocket: a string for text, bytes for binary ones. On others, bytes as they come, borders not kept. */
  onReceive?(data: string | Buffer): void;
  /** At most once, last. */
  onClose?(status: CloseStatus): void;
  /** On the client's side of a streaming HTTP exchange: the response has begun. */
  onResponse?(response: {
    readonly status: number;
    readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  }): void;
}

/** What a serving channel's request said; absent on raw streams and on the client's side. */
export interface ChannelRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/** Who a channel is from, and what its request said. */
export interface ChannelInfo extends StreamInfo {
  readonly request?: ChannelRequest;
}

/** Takes a channel as it opens, and says who hears of it. */
export type ChannelAcceptor = (channel: Channel, info: ChannelInfo) => ChannelHandler | void;

/** How `Dialer.channel` opens a channel. */
export interface ChannelOptions {
  /** Default: `stream`. */
  readonly kind?: "stream" | "http" | "websocket";
  /** Of the request, for `http` and `websocket`. Default: `/`. */
  readonly path?: string;
  /** For `http`. Default: POST. */
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Subprotocols to ask for, for `websocket`. */
  readonly subprotocols?: readonly string[];
  /** What the service is offered as. Default: `tcp` for `stream`, else `http/1.1`. */
  readonly protocol?: "tcp" | "http/1.1";
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export type ChannelSide = "server" | "client";

/** What carries a channel. Neither method throws because the other side has gone. */
export interface ChannelPort {
  /** `first`: nothing was sent before. */
  send(data: Exclude<ChannelData, ChannelBody>, first: boolean): void;
  /** Ends it once what was sent has left. */
  close(): void;
  /** Ends it at once, since the handler failed. */
  fail(): void;
}

export class PortChannel implements Channel {
  readonly isWebSocket: boolean;
  readonly #side: ChannelSide;
  readonly #port: ChannelPort;
  #handler: ChannelHandler | undefined;
  /** What happened before there was a handler to hear of it. */
  #early: (() => unknown)[] = [];
  #open = true;
  #sent = false;
  #failed: ((error: unknown) => void) | undefined;

  constructor(port: ChannelPort, side: ChannelSide, isWebSocket: boolean) {
    this.#port = port;
    this.#side = side;
    this.isWebSocket = isWebSocket;
  }

  get isOpen(): boolean {
    return this.#open;
  }

  close(): boolean {
    if (!this.#open) return false;
    this.#open = false;
    this.#port.close();
    this.#tell(() => this.#handler?.onClose?.(`${this.#side}-close`));
    return true;
  }

  send(data: ChannelData): boolean {
    if (!this.#open) return false;
    const first = !this.#sent;
    this.#port.send(typeof data === "string" || data instanceof Uint8Array ? { body: data } : data, first);
    this.#sent = true;
    return true;
  }

  // ── for the port ──

  /** With `failed`, what the handler throws, or rejects with, goes there and ends the channel. */
  use(acceptor: ChannelAcceptor, info: ChannelInfo, failed?: (error: unknown) => void): void {
    this.#failed = failed;
    const handler: unknown = acceptor(this, info);
    if (isThenable(handler)) {
      handler.then(undefined, () => {});
      throw new TypeError("what takes a channel says at once who hears of it, not by a promise");
    }
    this.#handler = (handler as ChannelHandler | undefined) ?? {};
    for (const tell of this.#early.splice(0)) this.#call(tell);
  }

  responded(status: number, headers: Readonly<Record<string, string | readonly string[] | undefined>>): void {
    if (this.#open) this.#tell(() => this.#handler?.onResponse?.({ status, headers }));
  }

  received(data: string | Buffer): void {
    if (this.#open) this.#tell(() => this.#handler?.onReceive?.(data));
  }

  /** The other side ended it; `status`: how, where it said so. */
  ended(status: CloseStatus = this.#side === "server" ? "client-close" : "server-close"): void {
    if (!this.#open) return;
    this.#open = false;
    this.#tell(() => this.#handler?.onClose?.(status));
  }

  broken(error: Error | undefined): void {
    this.ended(statusOf(error));
  }

  #tell(what: () => unknown): void {
    if (this.#handler === undefined) this.#early.push(what);
    else this.#call(what);
  }

  #call(what: () => unknown): void {
    if (this.#failed === undefined) {
      what();
      return;
    }
    try {
      const done = what();
      if (isThenable(done)) done.then(undefined, (error: unknown) => this.#fail(error));
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#failed?.(error);
    this.#port.fail();
    this.ended("unknown");
  }
}

/** A channel over a raw stream. It has no half-close: a side that ends its stream closes the channel. */
export function streamChannel(
  stream: ServiceStream,
  side: ChannelSide,
  acceptor: ChannelAcceptor,
  info: ChannelInfo,
  failed?: (error: unknown) => void,
): Channel {
  let failure: Error | undefined;
  const channel = new PortChannel(
    {
      send: ({ body }) => {
        if (body !== undefined && body.length > 0) stream.write(body);
      },
      close: () => {
        stream.resume();
        stream.end();
      },
      fail: () => stream.destroy(),
    },
    side,
    false,
  );
  stream.on("data", (chunk: Buffer) => channel.received(chunk));
  stream.on("end", () => {
    channel.ended();
    stream.end();
  });
  stream.on("error", (error) => {
    failure = error;
  });
  stream.on("close", () => (failure === undefined ? channel.ended() : channel.broken(failure)));
  channel.use(acceptor, info, failed);
  // It may have broken or ended between the dial and now, and would not say so again.
  if (stream.destroyed) queueMicrotask(() => channel.broken(stream.errored ?? undefined));
  return channel;
}

/** Undefined: the other side closed, and said nothing. */
function statusOf(error: Error | undefined): CloseStatus | undefined {
  switch ((error as Partial<PolarityError> | undefined)?.code) {
    case "NODE_STOPPED":
    case "LINK_DRAINING":
      return "going-away";
    case "BAD_REQUEST":
    case "LINK_PROTOCOL":
    case "TARGET_PROTOCOL":
      return "protocol-error";
    case "CLIENT_GONE":
    case "TARGET_FAILED":
    case "TARGET_UNREACHABLE":
      return undefined;
    default:
      return error === undefined ? undefined : "unknown";
  }
}
