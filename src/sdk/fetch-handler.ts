/** Serving with a function from `Request` to `Response`, both streamed, on Node's own HTTP server. */
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { messageOf, PolarityError } from "../base/errors.ts";

/**
 * Answers a request. The request's signal aborts when the client has gone. A rejection is answered with 500; a body that
 * fails midway cuts the response off.
 */
export type FetchHandler = (request: Request) => Response | Promise<Response>;

export function fetchListener(handler: FetchHandler, failed: (error: PolarityError) => void): RequestListener {
  return (incoming, outgoing) => void serve(handler, incoming, outgoing, failed);
}

async function serve(
  handler: FetchHandler,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  failed: (error: PolarityError) => void,
): Promise<void> {
  const gone = new AbortController();
  outgoing.once("close", () => {
    if (!outgoing.writableFinished) gone.abort(new PolarityError("CLIENT_GONE", "the client went away"));
  });
  // The close that follows says it all.
  outgoing.on("error", () => {});
  incoming.on("error", () => {});
  try {
    const request = requestOf(incoming, gone.signal);
    if (request === undefined) {
      outgoing.writeHead(400).end();
      return;
    }
    await send(await handler(request), outgoing, incoming.method === "HEAD", gone.signal);
  } catch (error) {
    if (gone.signal.aborted) return;
    failed(new PolarityError("TARGET_FAILED", `the handler failed: ${messageOf(error)}`, error));
    if (outgoing.headersSent) outgoing.destroy();
    else outgoing.writeHead(500).end();
  }
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

async function send(response: Response, outgoing: ServerResponse, headOnly: boolean, gone: AbortSignal): Promise<void> {
  const fields: string[] = [];
  for (const [name, value] of response.headers) fields.push(name, value);
  outgoing.writeHead(response.status, response.statusText, fields);
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
