/**
 * A connector's response head as the head of an HTTP/1.1 response whose framing can be trusted.
 *
 * The framing of the app's connection says nothing here: the connector has taken it off. A body has the length that is
 * announced, which is checked, or is sent in chunks. The reason is not passed on, as cranker routers never did: the
 * connectors in use put a placeholder there.
 */
import { isToken, withoutBlanks, withoutBlanksBehind } from "../http/field-line.ts";
import { HttpProblem } from "../http/http-problem.ts";
import { HEAD_CHARACTERS_MAX } from "./request-text.ts";

/** `none`: the response has no body, whatever comes. */
export type ResponseFraming = "none" | "length" | "chunked";

export interface ResponseText {
  /** Latin1, with its blank line. */
  readonly head: string;
  readonly framing: ResponseFraming;
  readonly length: number;
}

const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

const STATUS_LINE = /^HTTP\/\d(?:\.\d)? +(\d{3})(?: |$)/;
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL = /[\u0000-\u0008\u000a-\u001f\u007f]/;
// oxlint-disable-next-line no-control-regex -- all that one byte can hold
const BEYOND_A_BYTE = /[^\u0000-\u00ff]/;

/** `reason`: the standard phrase for a status. */
export function readResponseText(
  text: string,
  requestMethod: string,
  reason: (status: number) => string,
): ResponseText | HttpProblem {
  if (text.length > HEAD_CHARACTERS_MAX) return bad(`a head of more than ${HEAD_CHARACTERS_MAX} characters`);
  const lines = text.split("\n").map((line) => (line.endsWith("\r") ? line.slice(0, -1) : line));
  const status = Number(STATUS_LINE.exec(lines[0] ?? "")?.[1] ?? 0);
  if (status < 200) return bad("no status line with a status from 200 to 999");

  const fields = readFields(lines);
  if (fields instanceof HttpProblem) return fields;
  const length = lengthOf(fields);
  if (length instanceof HttpProblem) return length;
  const named = new Set(
    fields
      .filter(([name]) => name.toLowerCase() === "connection")
      .flatMap(([, value]) => value.split(",").map((option) => option.trim().toLowerCase())),
  );
  let head = `HTTP/1.1 ${status} ${reason(status)}\r\n`;
  for (const [name, value] of fields) {
    const lower = name.toLowerCase();
    if (lower === "content-length") continue;
    // A 407 has to say how to answer it.
    const asks = status === 407 && lower === "proxy-authenticate";
    if (!asks && (HOP_BY_HOP.has(lower) || named.has(lower))) continue;
    head += `${name}: ${value}\r\n`;
  }
  // Bytes above ASCII come one a character from connectors that read heads as latin1, and decoded from others.
  if (BEYOND_A_BYTE.test(head)) head = Buffer.from(head, "utf8").toString("latin1");

  const bodyless = requestMethod === "HEAD" || status === 204 || status === 304;
  if (length !== undefined && status !== 204) head += `Content-Length: ${length}\r\n`;
  else if (!bodyless) head += "Transfer-Encoding: chunked\r\n";
  const framing = bodyless ? "none" : length === undefined ? "chunked" : "length";
  return { head: `${head}\r\n`, framing, length: framing === "length" ? (length ?? 0) : 0 };
}

type Field = readonly [name: string, value: string];

function readFields(lines: readonly string[]): Field[] | HttpProblem {
  const fields: Field[] = [];
  for (const line of lines.slice(1)) {
    const colon = line.indexOf(":");
    // HTTP/2 apps leave pseudo fields such as `:status` behind, and a head ends with an empty line.
    if (line === "" || colon === 0) continue;
    // As for answers of HTTP/1.1, blanks before a colon are taken out (RFC 9112 §5.1).
    const name = withoutBlanksBehind(line.slice(0, Math.max(0, colon)));
    const value = withoutBlanks(line.slice(colon + 1));
    if (!isToken(name)) return bad("a header line without a name and a colon");
    if (CONTROL.test(value)) return bad(`a control character in the field "${name}"`);
    fields.push([name, value]);
  }
  return fields;
}

/** What the app announced; undefined where it did not, or framed in chunks. */
function lengthOf(fields: readonly Field[]): number | undefined | HttpProblem {
  let length: number | undefined;
  let chunked = false;
  for (const [name, value] of fields) {
    const lower = name.toLowerCase();
    if (lower === "transfer-encoding") chunked = true;
    if (lower !== "content-length") continue;
    if (!/^\d{1,15}$/.test(value)) return bad("a Content-Length that is not a plain number of bytes");
    if (length !== undefined && length !== Number(value)) return bad("Content-Length fields that differ");
    length = Number(value);
  }
  return chunked ? undefined : length;
}

function bad(what: string): HttpProblem {
  return new HttpProblem("TARGET_PROTOCOL", `the connector's response has ${what}`);
}
