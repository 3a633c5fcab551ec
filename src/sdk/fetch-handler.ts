/** Serving with a function from `Request` to `Response`, both streamed, on Node's own HTTP server. */
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import { Readable } from "node:stream";
import { inspect } from "node:util";
import { PolarityError } from "../base/errors.ts";

/**
 * Answers a request. The request's signal aborts when the client has gone. A rejection is answered with 500; a body that
 * fails midway cuts the response off.
 */
export type FetchHandler = (request: Request) => Response | Promise<Response>;

/** What the listener's promise is rejected with is for the server to answer. */
export function fetchListener(
  handler: FetchHandler,
): (incoming: IncomingMessage, outgoing: ServerResponse) => Promise<void> {
  return async (incoming, outgoing) => {
    const gone = new AbortController();
    outgoing.once("close", () => {
      if (!outgoing.writableFinished) gone.abort(new PolarityError("CLIENT_GONE", "the client went away"));
    });
    const request = requestOf(incoming, gone.signal);
    if (request === undefined) outgoing.writeHead(400).end();
    else await send(await handler(request), outgoing, incoming.method === "HEAD", gone.signal);
  };
}

function requestOf(incoming: IncomingMessage, signal: AbortSignal): Request | undefined {
  const { method = "GET", url = "/", rawHeaders } = incoming;
  const target = `http://${incoming.headers.host ?? "localhost"}${url}`;
  // TRACE and CONNECT are methods that a Request cannot have.
  if (!url.startsWith("/") || !URL.canParse(target) || ["TRACE", "CONNECT", "TRACK"].includes(method)) return undefined;
  const headers = new Headers();
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) headers.append(rawHeaders[at]!, rawHeaders[at + 1]!);
  const body = method === "GET" || method === "HEAD" ? null : (Readable.toWeb(incoming) as ReadableStream<Uint8Array>);
  return new Request(target, { method, headers, body, signal, ...(body === null ? {} : { duplex: "half" }) });
}

async function send(response: unknown, outgoing: ServerResponse, headOnly: boolean, gone: AbortSignal): Promise<void> {
  if (!isResponse(response)) {
    throw new TypeError(`a fetch handler returns a Response (got ${inspect(response, { depth: 0 })})`);
  }
  const fields: string[] = [];
  for (const [name, value] of response.headers) fields.push(name, value);
  // Most Responses have no text beside their status; HTTP/1.1 has one for each.
  const reason = response.statusText || STATUS_CODES[response.status] || "";
  outgoing.writeHead(response.status, reason, fields);
  const reader = response.body?.getReader();
  if (reader === undefined || headOnly) {
    await reader?.cancel();
    outgoing.end();
    return;
  }
  const abort = (): void => void reader.cancel(gone.reason).catch(() => {});
  gone.addEventListener("abort", abort, { once: true });
  if (gone.aborted) abort();
  // An answer whose body is long in coming has begun all the same.
  outgoing.flushHeaders();
  for (;;) {
    const { done, value } = await reader.read();
    if (done || gone.aborted) break;
    if (!outgoing.write(value)) await room(outgoing);
  }
  gone.removeEventListener("abort", abort);
  outgoing.end();
}

/** Resolves when more may be written, or nobody reads any more. */
function room(outgoing: ServerResponse): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const settled = (): void => {
    outgoing.off("drain", settled).off("close", settled);
    resolve();
  };
  outgoing.on("drain", settled).on("close", settled);
  if (outgoing.destroyed) settled();
  return promise;
}

/** By its form: programs have Responses of undici, of test tools, of another realm. */
function isResponse(value: unknown): value is Response {
  const { status, headers } = (value ?? {}) as Partial<Response>;
  return typeof status === "number" && typeof headers === "object" && Symbol.iterator in headers;
}
