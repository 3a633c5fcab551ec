/** What a session asks of whatever serves a service: a link to another node, or a target of this node. */
import type { ByteSink, ByteStream } from "./byte-stream.ts";

/** What travels on a stream: raw bytes, one HTTP/1.1 exchange, or length-prefixed datagrams. */
export type StreamProtocol = "tcp" | "http/1.1" | "udp";

/** What the opener of a stream says about it, with its preamble line made once and used for every stream like it. */
export class StreamRequest {
  readonly service: string;
  readonly protocol: StreamProtocol;
  /** The client's address as `host:port`; empty when there is none. */
  readonly client: string;
  /** The preamble line, newline included, as ASCII (anything else is escaped, so latin1 and UTF-8 agree). */
  readonly preamble: string;

  constructor(service: string, protocol: StreamProtocol, client: string) {
    this.service = service;
    this.protocol = protocol;
    this.client = client;
    this.preamble = `${asciiJson(client === "" ? { service, protocol } : { service, protocol, client })}\n`;
  }
}

export interface Upstream {
  /** The node that serves, as people know it. */
  readonly node: string;
  /**
   * Opens a stream for `request`, with `first` (latin1, may be empty) as its first payload, in one frame where there are
   * frames. `sink` becomes the stream's sink and is never called before `open` returns. Undefined: no new streams now.
   */
  open(request: StreamRequest, first: string, sink: ByteSink): ByteStream | undefined;
}

/** JSON with every character above U+007E as an escape. */
export function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    // eslint-disable-next-line no-control-regex
    /[^\u0000-\u007e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
