/**
 * A request head as connectors read it: `METHOD path HTTP/1.1`, then `name:value`, each line ended by a line feed, and an
 * empty line. Each byte of a field's value is one character.
 *
 * Connectors take the target for a reference and resolve it against their app's URL, some by the rules of browsers, so that
 * one which could name a host is refused.
 */
import { HttpProblem } from "../http/http-problem.ts";
import type { RequestHead } from "../http/request-head.ts";

/** Connectors close with 1011 on more. */
export const HEAD_CHARACTERS_MAX = 64 * 1024;

/** Hop by hop, or answered by the router: what a connector's own connection to its app decides. */
const NOT_SENT: ReadonlySet<string> = new Set([
  "connection",
  "expect",
  "http2-settings",
  "keep-alive",
  "proxy",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** The text, or why the request cannot be carried to a connector. */
export function requestText(head: RequestHead): string | HttpProblem {
  if (head.upgrade !== "") {
    return new HttpProblem("UPGRADE_NOT_CARRIED", `a cranker connector cannot carry an upgrade to ${head.upgrade}`);
  }
  if (!head.path.startsWith("/")) {
    return new HttpProblem("BAD_REQUEST", `the target ${head.target} is no path, which a cranker connector needs`);
  }
  if (/^\/[/\\]/.test(head.path)) {
    return new HttpProblem("BAD_REQUEST", "the path begins with two slashes, which cranker connectors take for a host");
  }
  const named = namedByConnection(head);
  // An absolute target's host stands in the place of what Host says.
  let text = `${head.method} ${head.path} HTTP/1.1\n${head.host === "" ? "" : `Host:${head.host}\n`}`;
  let via = "";
  const cookies: string[] = [];
  for (const [name, value] of head.fields()) {
    const lower = name.toLowerCase();
    if (lower === "host" || NOT_SENT.has(lower) || named?.has(lower) === true) continue;
    if (lower === "cookie") cookies.push(value);
    else if (lower === "via") via = via === "" ? value : `${via}, ${value}`;
    else text += `${name}:${value}\n`;
  }
  if (cookies.length > 0) text += `cookie:${cookies.join("; ")}\n`;
  if (via !== "") text += `via:${withProtocolName(via)}\n`;
  text += "\n";
  if (text.length <= HEAD_CHARACTERS_MAX) return text;
  return new HttpProblem(
    "HEAD_TOO_LARGE",
    `the head has more than the ${HEAD_CHARACTERS_MAX} bytes that connectors take`,
  );
}

function namedByConnection(head: RequestHead): ReadonlySet<string> | undefined {
  const options = head.header("connection");
  if (options === undefined) return undefined;
  const names = new Set(options.split(",").map((name) => name.trim().toLowerCase()));
  // A body's length is never a matter of the hop.
  names.delete("content-length");
  return names;
}

/** Of the last element, which is ours: apps behind cranker know `HTTP/1.1 name`, which means the same (RFC 9110 §7.6.3). */
function withProtocolName(via: string): string {
  return via.replace(/(^|,[ \t]*)(1\.[01] [^,]*)$/, "$1HTTP/$2");
}
