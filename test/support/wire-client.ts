/** A client that sends bytes as they are given and reads what comes back piece by piece: for tests of the wire itself. */
import { connect, type NetConnectOpts, type Socket } from "node:net";
import type { TestContext } from "node:test";
import { soon } from "./patience.ts";

export interface WireResponse {
  readonly status: number;
  /** The head as it came, blank line included. */
  readonly head: string;
  /** Names in lower case; of repeated fields the last. */
  readonly headers: Readonly<Record<string, string>>;
  /** Decoded if it was chunked. */
  readonly body: string;
  /** What stood behind the last chunk. */
  readonly trailers: string;
}

/** How a connection ended: in order, or broken. */
export type WireEnd = "end" | "reset";

export class WireClient {
  readonly socket: Socket;
  /** Resolves when nothing more will come. */
  readonly ended: Promise<WireEnd>;
  #bytes = Buffer.alloc(0);
  #end: WireEnd | undefined;
  #changed = Promise.withResolvers<void>();

  constructor(context: TestContext, to: number | NetConnectOpts) {
    const where = typeof to === "number" ? { host: "127.0.0.1", port: to } : to;
    this.socket = connect({ ...where, allowHalfOpen: true, noDelay: true });
    this.socket.on("data", (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      this.#wake();
    });
    const ended = Promise.withResolvers<WireEnd>();
    this.ended = ended.promise;
    const finish = (how: WireEnd): void => {
      this.#end ??= how;
      ended.resolve(this.#end);
      this.#wake();
    };
    this.socket.on("end", () => finish("end"));
    this.socket.on("error", () => finish("reset"));
    this.socket.on("close", () => finish("end"));
    context.after(() => this.socket.destroy());
  }

  send(data: string | Buffer): this {
    this.socket.write(typeof data === "string" ? Buffer.from(data, "latin1") : data);
    return this;
  }

  halfClose(): this {
    this.socket.end();
    return this;
  }

  /** What has arrived and was not read yet. */
  get arrived(): string {
    return this.#bytes.toString("latin1");
  }

  /** Reads up to and with `mark`. */
  async readTo(mark: string): Promise<string> {
    for (;;) {
      const at = this.#bytes.indexOf(mark, 0, "latin1");
      if (at >= 0) return this.#take(at + mark.length);
      await this.#more(JSON.stringify(mark));
    }
  }

  async read(count: number): Promise<string> {
    while (this.#bytes.length < count) await this.#more(`${count} bytes`);
    return this.#take(count);
  }

  /** Everything up to the end of the connection. */
  async readAll(): Promise<string> {
    await soon("the end of the connection", this.ended);
    return this.#take(this.#bytes.length);
  }

  /** The next response, as RFC 9112 frames it. */
  async response(method = "GET"): Promise<WireResponse> {
    const head = await this.readTo("\r\n\r\n");
    const [statusLine = "", ...lines] = head.slice(0, -4).split("\r\n");
    const headers = Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]),
    );
    const status = Number(statusLine.split(" ")[1]);
    const { body, trailers } = await this.#body(method, status, headers);
    return { status, head, headers, body, trailers };
  }

  async #body(
    method: string,
    status: number,
    headers: Readonly<Record<string, string>>,
  ): Promise<{ body: string; trailers: string }> {
    if (method === "HEAD" || status < 200 || status === 204 || status === 304) return { body: "", trailers: "" };
    if (headers["transfer-encoding"] === "chunked") return this.#chunkedBody();
    const length = headers["content-length"];
    return { body: length === undefined ? await this.readAll() : await this.read(Number(length)), trailers: "" };
  }

  async #chunkedBody(): Promise<{ body: string; trailers: string }> {
    let body = "";
    for (;;) {
      const size = Number.parseInt(await this.readTo("\r\n"), 16);
      if (size === 0) break;
      body += await this.read(size);
      await this.read(2);
    }
    let trailers = "";
    for (;;) {
      const line = await this.readTo("\r\n");
      if (line === "\r\n") return { body, trailers };
      trailers += line;
    }
  }

  #take(count: number): string {
    const text = this.#bytes.toString("latin1", 0, count);
    this.#bytes = this.#bytes.subarray(count);
    return text;
  }

  async #more(what: string): Promise<void> {
    if (this.#end !== undefined)
      throw new Error(`the connection ended (${this.#end}) before ${what} came, after ${JSON.stringify(this.arrived)}`);
    await soon(`${what}, after ${JSON.stringify(this.arrived.slice(0, 500))}`, this.#changed.promise);
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}
