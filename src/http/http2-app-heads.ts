/** Heads of HTTP/1.1, as they cross a link, turned into the fields that an app of HTTP/2 gets, and its fields into heads. */
import { withoutBlanks } from "./field-line.ts";
import { CONNECTION_FIELDS, FIELD_NAME, FIELD_VALUE } from "./http2-fields.ts";
import { HttpProblem } from "./http-problem.ts";
import { LINE_HOP_BY_HOP } from "./named-fields.ts";
import type { RequestHead } from "./request-head.ts";

/** The fields of a request, pseudo-fields first, hop-by-hop fields gone. */
export function requestFields(head: RequestHead, scheme: "http" | "https"): string[] {
  const { text, marks } = head;
  const fields = [":method", head.method, ":scheme", scheme, ":authority", head.host, ":path", head.path];
  let mark = 0;
  for (let at = head.fieldsStart; at < head.fieldsEnd;) {
    const lineEnd = text.indexOf("\r\n", at);
    const start = at;
    at = lineEnd + 2;
    if (marks[mark + 1] === start) {
      const kind = marks[mark];
      mark += 3;
      if (kind === LINE_HOP_BY_HOP) continue;
    }
    const colon = text.indexOf(":", start);
    const name = text.slice(start, colon).toLowerCase();
    if (name === "host" || CONNECTION_FIELDS.has(name)) continue;
    fields.push(name, withoutBlanks(text.slice(colon + 1, lineEnd)));
  }
  if (head.acceptsTrailers) fields.push("te", "trailers");
  return fields;
}

/** What frames the body behind a head that `responseHeadText` made. */
export type AppFraming = "none" | "length" | "chunked";

export interface AppHead {
  readonly text: string;
  readonly framing: AppFraming;
  /** With a length: how much is to come. */
  readonly bodyLength: number;
  readonly informational: boolean;
}

/** The head for an answer's fields; latin1. `ends`: no body follows. `method`: of its request. */
export function responseHeadText(fields: readonly string[], ends: boolean, method: string): AppHead | HttpProblem {
  let status = "";
  let lines = "";
  let length = "";
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at] as string;
    const value = withoutBlanks(fields[at + 1] as string);
    if (name === ":status") {
      status = value;
      continue;
    }
    if (!FIELD_NAME.test(name) || !FIELD_VALUE.test(value)) return bad("a field that is none");
    if (CONNECTION_FIELDS.has(name)) return bad(`the field "${name}", which HTTP/2 does not have`);
    if (name === "content-length") {
      if (length !== "" || !/^\d{1,15}$/.test(value)) return bad("a content-length that is not one plain number");
      length = value;
    }
    lines += `${name}: ${value}\r\n`;
  }
  if (!/^[1-9]\d\d$/.test(status) || status === "101") return bad("no status that HTTP/2 knows");
  const code = Number(status);
  const bodyless = code < 200 || code === 204 || code === 304 || method === "HEAD";
  let framing: AppFraming = "none";
  if (!bodyless && ends) {
    if (length === "") lines += "content-length: 0\r\n";
  } else if (!bodyless) {
    framing = length === "" ? "chunked" : "length";
    if (length === "") lines += "transfer-encoding: chunked\r\n";
  }
  const text = `HTTP/1.1 ${status} \r\n${lines}\r\n`;
  return { text, framing, bodyLength: framing === "length" ? Number(length) : 0, informational: code < 200 };
}

function bad(reason: string): HttpProblem {
  return new HttpProblem("TARGET_PROTOCOL", `the app's response has ${reason}`);
}
