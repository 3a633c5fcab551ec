/**
 * A dispatcher as undici, and so Node's own `fetch` and `WebSocket`, define it: requests go over streams to services.
 *
 * undici is not needed for it. It speaks the handler interface of undici 7 and 8 (`onRequestStart` …) and the one before
 * (`onConnect` …), since the `fetch` of Node.js 24 still uses that. Requests are made by `node:http`.
 */
import { type Agent, type ClientRequest, type IncomingMessage, request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { type Duplex, Readable } from "node:stream";
import { PolarityError } from "../base/errors.ts";

/**
 * The dispatcher that the global `fetch` takes. Of its methods, `dispatch`, `close` and `destroy` are there. Where TypeScript's
 * `lib` has the DOM, whose `fetch` takes none, it is just an object.
 */
export type FetchDispatcher = RequestInit extends { dispatcher?: infer Dispatcher } ? NonNullable<Dispatcher> : object;

interface DispatchRequest {
  readonly origin?: string | URL;
  readonly path: string;
  readonly method: string;
  readonly headers?: unknown;
  readonly body?: unknown;
  readonly upgrade?: boolean | string | null;
  readonly signal?: AbortSignal;
}

type Fields = Record<string, string | string[]>;

/** undici's, and the one that came before it. */
interface DispatchHandler {
  onRequestStart?(controller: DispatchController, context: object): void;
  onRequestUpgrade?(controller: DispatchController, status: number, headers: Fields, socket: Duplex): void;
  onResponseStart?(controller: DispatchController, status: number, headers: Fields, statusText: string): void;
  onResponseData?(controller: DispatchController, chunk: Buffer): void;
  onResponseEnd?(controller: DispatchController, trailers: Fields): void;
  onResponseError?(controller: DispatchController, error: Error): void;
  onConnect?(abort: (reason?: Error) => void, context: object): void;
  onUpgrade?(status: number, rawHeaders: Buffer[], socket: Duplex): void;
  onHeaders?(status: number, rawHeaders: Buffer[], resume: () => void, statusText: string): boolean | void;
  onData?(chunk: Buffer): boolean | void;
  onComplete?(rawTrailers: Buffer[]): void;
  onError?(error: Error): void;
}

export function createDispatcher(agent: Agent): FetchDispatcher {
  const dispatcher = {
    dispatch(request: DispatchRequest, handler: DispatchHandler): boolean {
      new DispatchController(agent, request, handler).start();
      return true;
    },
    close: (): Promise<void> => Promise.resolve(),
    destroy: (): Promise<void> => Promise.resolve(),
  };
  // undici's type names its convenience methods too; `fetch` and undici's functions call `dispatch` alone.
  return dispatcher as unknown as FetchDispatcher;
}

/** One request; also what its handler controls it by. */
class DispatchController {
  aborted = false;
  paused = false;
  reason: Error | null = null;
  rawHeaders: Buffer[] = [];
  rawTrailers: Buffer[] = [];
  readonly #agent: Agent;
  readonly #asked: DispatchRequest;
  readonly #handler: DispatchHandler;
  #request: ClientRequest | undefined;
  #response: IncomingMessage | undefined;
  #over = false;

  constructor(agent: Agent, asked: DispatchRequest, handler: DispatchHandler) {
    this.#agent = agent;
    this.#asked = asked;
    this.#handler = handler;
  }

  start(): void {
    const handler = this.#handler;
    if (handler.onRequestStart === undefined) handler.onConnect?.((reason) => this.abort(reason), {});
    else handler.onRequestStart(this, {});
    if (this.aborted) return;
    try {
      this.#send();
    } catch (error) {
      this.#fail(error as Error);
      this.#request?.destroy();
    }
  }

  // ── undici's controller ──

  abort(reason?: Error): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason ?? new DOMException("The request was aborted.", "AbortError");
    this.#request?.destroy(this.reason);
    this.#fail(this.reason);
  }

  pause(): void {
    this.paused = true;
    this.#response?.pause();
  }

  resume(): void {
    this.paused = false;
    this.#response?.resume();
  }

  // ── the request ──

  #send(): void {
    const { origin = "", path, method, headers, body, upgrade, signal } = this.#asked;
    const url = new URL(path, origin);
    const send = url.protocol === "https:" ? httpsRequest : httpRequest;
    // The path as it was given: parsing must not change it.
    const request = send({
      host: url.hostname,
      port: url.port,
      protocol: url.protocol,
      path,
      method,
      agent: this.#agent,
      ...(signal === undefined ? {} : { signal }),
    });
    this.#request = request;
    request.on("error", (error) => this.#fail(error));
    for (const [name, value] of fieldsOf(headers)) request.appendHeader(name, value);
    if (typeof upgrade === "string" && upgrade !== "") {
      request.setHeader("connection", "upgrade");
      request.setHeader("upgrade", upgrade);
    }
    request.on("response", (response) => this.#respond(response));
    request.on("upgrade", (response, socket, head) => this.#upgraded(response, socket, head));
    sendBody(request, body);
  }

  #respond(response: IncomingMessage): void {
    if (this.#over) {
      response.destroy();
      return;
    }
    this.#response = response;
    this.rawHeaders = response.rawHeaders.map((text) => Buffer.from(text, "latin1"));
    const { statusCode = 0, statusMessage = "" } = response;
    const handler = this.#handler;
    if (handler.onResponseStart !== undefined) {
      handler.onResponseStart(this, statusCode, fieldsFrom(response.rawHeaders), statusMessage);
    } else if (handler.onHeaders?.(statusCode, this.rawHeaders, () => this.resume(), statusMessage) === false) {
      this.paused = true;
    }
    response.on("data", (chunk: Buffer) => {
      if (handler.onResponseData !== undefined) handler.onResponseData(this, chunk);
      else if (handler.onData?.(chunk) === false) this.pause();
    });
    response.on("end", () => this.#end(response));
    response.on("error", (error) => this.#fail(error));
    if (this.paused) response.pause();
  }

  #end(response: IncomingMessage): void {
    if (this.#over) return;
    this.#over = true;
    this.rawTrailers = response.rawTrailers.map((text) => Buffer.from(text, "latin1"));
    const handler = this.#handler;
    if (handler.onResponseEnd === undefined) handler.onComplete?.(this.rawTrailers);
    else handler.onResponseEnd(this, fieldsFrom(response.rawTrailers));
  }

  #upgraded(response: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (this.#over) {
      socket.destroy();
      return;
    }
    this.#over = true;
    if (head.length > 0) socket.unshift(head);
    this.rawHeaders = response.rawHeaders.map((text) => Buffer.from(text, "latin1"));
    const { statusCode = 101 } = response;
    const handler = this.#handler;
    if (handler.onRequestUpgrade === undefined) handler.onUpgrade?.(statusCode, this.rawHeaders, socket);
    else handler.onRequestUpgrade(this, statusCode, fieldsFrom(response.rawHeaders), socket);
  }

  #fail(error: Error): void {
    if (this.#over) return;
    this.#over = true;
    const handler = this.#handler;
    const tell = (): void => {
      if (handler.onResponseError === undefined) handler.onError?.(error);
      else handler.onResponseError(this, error);
    };
    // `fetch` never ends a body whose failure it hears before it has passed the response on.
    if (this.#response === undefined) tell();
    else setImmediate(tell);
  }
}

/** Headers in any of the forms that undici takes. */
function* fieldsOf(headers: unknown): Generator<[string, string | string[]]> {
  if (headers === null || headers === undefined) return;
  if (Array.isArray(headers) && typeof headers[0] === "string") {
    for (let at = 0; at + 1 < headers.length; at += 2) yield [String(headers[at]), textOf(headers[at + 1])];
    return;
  }
  const entries =
    Symbol.iterator in Object(headers) ? (headers as Iterable<[string, unknown]>) : Object.entries(headers);
  for (const [name, value] of entries) if (value !== undefined && value !== null) yield [name, textOf(value)];
}

function textOf(value: unknown): string | string[] {
  return Array.isArray(value) ? value.map(String) : String(value);
}

function fieldsFrom(raw: readonly string[]): Fields {
  // A field may be called __proto__.
  const fields = Object.create(null) as Fields;
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = raw[at]!.toLowerCase();
    const value = raw[at + 1]!;
    const before = Object.hasOwn(fields, name) ? fields[name] : undefined;
    fields[name] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value];
  }
  return fields;
}

function sendBody(request: ClientRequest, body: unknown): void {
  if (body === null || body === undefined) {
    request.end();
  } else if (typeof body === "string" || body instanceof Uint8Array) {
    if (!request.hasHeader("content-length")) request.setHeader("content-length", Buffer.byteLength(body));
    request.end(body);
  } else if (Symbol.asyncIterator in Object(body) || Symbol.iterator in Object(body)) {
    const source =
      body instanceof Readable ? body : Readable.from(body as AsyncIterable<unknown>, { objectMode: false });
    source.on("error", (error) => request.destroy(error));
    request.on("close", () => source.destroy());
    // Headers should not wait for a body that may be long in coming.
    request.flushHeaders();
    source.pipe(request);
  } else {
    throw new PolarityError("BAD_REQUEST", "a request's body is text, bytes or an iterable of bytes here");
  }
}
