/**
 * The head to send to the client for an app's response head: hop-by-hop fields gone, Via added, and the connection
 * described as it is on the client's side.
 */
import { viaName } from "./request-forwarding.ts";
import { LINE_CONTENT_LENGTH, LINE_REQUEST_ID, LINE_TRANSFER_ENCODING } from "./response-head.ts";
import type { ResponseHead } from "./response-head.ts";

export interface ResponseForwardingOptions {
  /** Our name in Via. */
  readonly via: string;
  /** The version of the client's request. */
  readonly clientVersionMinor: 0 | 1;
  /** The client's connection ends with this response, by its wish or ours. */
  readonly closeConnection: boolean;
  /** Told to the client in place of whatever id the app says; empty for none. */
  readonly requestId: string;
  /** Lines of the listener behind those of the app, each with its end; mostly none. */
  readonly extraLines?: string | undefined;
}

/**
 * Whether the body reaches this client framed by the end of its connection, so that the connection must close behind it:
 * the client (HTTP/1.0) cannot read chunks, and there is no length.
 */
export function endsByClose(head: ResponseHead, clientVersionMinor: 0 | 1): boolean {
  return clientVersionMinor === 0 && (head.framing === "close" || head.framing === "chunked");
}

/**
 * Whether the body gets chunks on its way to this client, since its app ends it by closing: an end that could also be that
 * of ourselves, in the middle of it, must not look like that of the body.
 */
export function needsChunks(head: ResponseHead, clientVersionMinor: 0 | 1): boolean {
  return clientVersionMinor === 1 && head.framing === "close";
}

/** Whether the body has to go through a `ChunkedDecoder` on its way to this client. */
export function needsDechunking(head: ResponseHead, clientVersionMinor: 0 | 1): boolean {
  return clientVersionMinor === 0 && head.framing === "chunked";
}

/** Where a status line ends that has no reason, nor the space before it. */
const STATUS_END = 12;

/**
 * The head for the client, up to where `responseEnding` goes on; latin1. HTTP/1.0 clients must not be sent informational
 * heads at all (RFC 9110 §15.2).
 *
 * Two strings, because joining them costs more than writing both: one is mostly a slice, the other is made once.
 */
export function responseStart(head: ResponseHead, options: ResponseForwardingOptions): string {
  const text = head.text;
  const bodyless = head.status < 200 || head.status === 204;
  const dropsChunked = bodyless || options.clientVersionMinor === 0;
  const marks = head.marks;
  let out = "";
  let from = 0;
  if (head.versionMinor === 0 || head.reasonStart === STATUS_END) {
    out = `HTTP/1.1 ${head.status} ${text.slice(head.reasonStart, head.fieldsStart)}`;
    from = head.fieldsStart;
  }
  for (let i = 0; i < marks.length; i += 3) {
    const kind = marks[i] as number;
    if (kind === LINE_TRANSFER_ENCODING && !dropsChunked) continue;
    // RFC 9110 §8.6: 1xx and 204 never carry a length. HEAD and 304 do: that of the body they stand for.
    if (kind === LINE_CONTENT_LENGTH && !bodyless) continue;
    if (kind === LINE_REQUEST_ID && options.requestId === "") continue;
    const start = marks[i + 1] as number;
    if (start > from) out += text.slice(from, start);
    from = marks[i + 2] as number;
  }
  if (from < head.fieldsEnd) out += text.slice(from, head.fieldsEnd);
  if (needsChunks(head, options.clientVersionMinor)) out += "Transfer-Encoding: chunked\r\n";
  if (head.upgrade !== "" && (head.status === 101 || head.status === 426)) {
    const close = head.status === 426 && options.closeConnection ? ", close" : "";
    out += `Connection: upgrade${close}\r\nUpgrade: ${head.upgrade}\r\n`;
  }
  return out;
}

/** The rest of the head: Via, what becomes of the connection, and the blank line. */
export function responseEnding(head: ResponseHead, options: ResponseForwardingOptions): string {
  const { via, clientVersionMinor, closeConnection, requestId, extraLines = "" } = options;
  let connection = "";
  const saysUpgrade = head.upgrade !== "" && (head.status === 101 || head.status === 426);
  if (!saysUpgrade && !head.informational) {
    if (closeConnection || endsByClose(head, clientVersionMinor)) connection = "Connection: close\r\n";
    else if (clientVersionMinor === 0) connection = "Connection: keep-alive\r\n";
  }
  if (connection === "" && requestId === "") return usualEnding(via, extraLines, head.versionMinor);
  const id = requestId === "" ? "" : `X-Request-Id: ${requestId}\r\n`;
  return `Via: 1.${head.versionMinor} ${viaName(via)}\r\n${connection}${id}${extraLines}\r\n`;
}

let lastVia = "";
let lastExtraLines = "";
let lastEndings: readonly [string, string] = ["", ""];

/** One name serves a whole node, and a date a whole second, so the usual endings are made once. */
function usualEnding(via: string, extraLines: string, versionMinor: 0 | 1): string {
  if (via !== lastVia || extraLines !== lastExtraLines) {
    lastVia = via;
    lastExtraLines = extraLines;
    const name = viaName(via);
    lastEndings = [`Via: 1.0 ${name}\r\n${extraLines}\r\n`, `Via: 1.1 ${name}\r\n${extraLines}\r\n`];
  }
  return lastEndings[versionMinor];
}
