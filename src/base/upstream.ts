/** What a session asks of whatever serves a service: a link to another node, or a target of this node. */
import type { ByteSink, ByteStream } from "./byte-stream.ts";
import type { PolarityError } from "./errors.ts";

/** What travels on a stream: raw bytes, one HTTP/1.1 exchange, or length-prefixed datagrams. */
export type StreamProtocol = "tcp" | "http/1.1" | "udp";

/**
 * What a request has to do with relaying:
 * - `may`: it goes to whoever offers the service here, or else to a router that may find somebody.
 * - `ask`: as a node that relays gets it: pass it on to who offers the service to you.
 * - `done`: it came through a link to be relayed, and goes only to who is known to offer the service.
 */
export type RelayStage = "may" | "ask" | "done";

const NOBODY: readonly string[] = [];
/** ASCII that JSON writes as it is. */
const PLAIN = /^[ !#-[\]-~]*$/;

/** What the opener of a stream says about it, with its preamble line made once and used for every stream like it. */
export class StreamRequest {
  readonly service: string;
  readonly protocol: StreamProtocol;
  /** The client's address as `host:port`; empty when there is none. */
  readonly client: string;
  /** Only this node's offers of the service will do. */
  readonly node: string | undefined;
  /** How long it may wait for an offer. */
  readonly waitMs: number;
  readonly relay: RelayStage;
  /** The instances of the nodes that it has passed before this one. */
  readonly via: readonly string[];
  /** Whoever serves should say when it does: who opens the stream waits for that. */
  readonly confirm: boolean;
  /** Of a stream that is relayed: who is charged for it, the identity of the peer that opened it. */
  payer: string | undefined = undefined;
  /** Which of the payer's nodes that was: its instance. */
  payerPart = "";
  /** The preamble line, newline included, as ASCII (anything else is escaped, so latin1 and UTF-8 agree). */
  readonly preamble: string;
  #ask: StreamRequest | undefined;
  #onward: StreamRequest | undefined;

  constructor(
    service: string,
    protocol: StreamProtocol,
    client: string,
    node?: string,
    waitMs = 0,
    relay: RelayStage = "may",
    via: readonly string[] = NOBODY,
    confirm = false,
  ) {
    this.service = service;
    this.protocol = protocol;
    this.client = client;
    this.node = node;
    this.waitMs = waitMs;
    this.relay = relay;
    this.via = via;
    this.confirm = confirm;
    if (relay !== "ask" && !confirm && PLAIN.test(service) && PLAIN.test(client)) {
      // What nearly all streams say, made without an object: a client may ask for another service with each request.
      const rest = client === "" ? "}\n" : `,"client":"${client}"}\n`;
      this.preamble = `{"service":"${service}","protocol":"${protocol}"${rest}`;
      return;
    }
    // Who offers the service needs to know neither node nor wait: they are for who still has to look for one.
    const ask =
      relay === "ask" ? { relay: true, node, wait: waitMs, via: via.length === 0 ? undefined : via } : undefined;
    // The client last: what comes before is the same for many, and its reader knows it again.
    const told = { service, protocol, ...ask, confirm: confirm || undefined };
    this.preamble = `${asciiJson(client === "" ? told : { ...told, client })}\n`;
  }

  /** The same request as a router that may find somebody gets it from `instance`; it may wait there for `waitMs`. */
  ask(instance: string, waitMs: number): StreamRequest {
    if (this.#ask?.waitMs !== waitMs) this.#ask = this.#passedBy(instance, this.node, waitMs);
    return this.#ask;
  }

  /** The same request as the next node on the way to `node` gets it from `instance`. It knows that way, so there is no wait. */
  onward(instance: string, node: string): StreamRequest {
    if (this.#onward?.node !== node) this.#onward = this.#passedBy(instance, node, 0);
    return this.#onward;
  }

  #passedBy(instance: string, node: string | undefined, waitMs: number): StreamRequest {
    const { service, protocol, client } = this;
    const via = [...this.via, instance];
    const passed = new StreamRequest(service, protocol, client, node, waitMs, "ask", via, this.confirm);
    passed.payer = this.payer;
    passed.payerPart = this.payerPart;
    return passed;
  }
}

export interface Upstream {
  /** The node that serves, as people know it. */
  readonly node: string;
  /** Who is charged for what it offers: an identity, or an address; undefined where that is this node itself. */
  readonly payer?: string | undefined;
  /** Its streams are a link's, which itself counts what is held of them. */
  readonly linked?: true;
  /** It calls `opened` for requests that ask to `confirm`; otherwise a stream counts as opened at once. */
  readonly confirms?: boolean;
  /**
   * Opens a stream for `request`, with `first` and `second` (latin1, may be empty) as its first payload, in one frame where
   * there are frames. `sink` becomes the stream's sink and is never called before `open` returns. Undefined: no new streams now.
   */
  open(request: StreamRequest, first: string, second: string, sink: ByteSink): ByteStream | undefined;
  /** Why `open` did not open a stream just now, where that is known. */
  refusal?(request: StreamRequest): PolarityError | undefined;
  /** The servers that together serve `service` here, where a one-to-N session may ask each for itself. */
  parts?(service: string): readonly Upstream[] | undefined;
}

/** JSON with every character above U+007E as an escape. */
export function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    // eslint-disable-next-line no-control-regex
    /[^\u0000-\u007e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
