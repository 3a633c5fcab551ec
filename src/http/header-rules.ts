/**
 * Fields that a route sets, adds and removes.
 *
 * They are applied to heads that are ready to be forwarded, so that nothing a client or app says, such as a Connection
 * field, takes a rule's field away again. Only routes with rules come here. Apps behind CGI, WSGI or Rack read `X_User` as
 * `X-User`, so a field that is set or removed goes in both spellings.
 */
import { isToken } from "./field-line.ts";
import { type ResponseHead, withFields } from "./response-head.ts";
import { LINE_HOP_BY_HOP } from "./named-fields.ts";

export interface HeaderRules {
  /** Lines that go: those of fields that are set, too. In lower case, `-` for `_`. */
  readonly dropped: readonly string[];
  /** Lines that come, each with its CRLF; empty for none. */
  readonly lines: string;
  /** They say what becomes of Date, so that none is added. */
  readonly ofDate: boolean;
}

export type FieldPairs = readonly (readonly [name: string, value: string])[];

/** Names and values as `refusedField` and `refusedValue` let them pass. Undefined when there is nothing to do. */
export function headerRules(set: FieldPairs, add: FieldPairs, remove: readonly string[]): HeaderRules | undefined {
  if (set.length + add.length + remove.length === 0) return undefined;
  const dropped = [...new Set([...set.map(([name]) => name), ...remove].map(comparable))];
  const ofDate = dropped.includes("date") || add.some(([name]) => comparable(name) === "date");
  return { dropped, lines: [...set, ...add].map(([name, value]) => `${name}: ${value}\r\n`).join(""), ofDate };
}

/** A request's head up to where `forwardedEnding` goes on, by the rules. */
export function ruledStart(start: string, rules: HeaderRules): string {
  const fields = start.indexOf("\r\n") + 2;
  return start.slice(0, fields) + withoutDropped(start.slice(fields), rules) + rules.lines;
}

/** The rest of the head. */
export function ruledEnding(ending: string, rules: HeaderRules): string {
  return `${withoutDropped(ending.slice(0, -2), rules)}\r\n`;
}

/** An app's response by the rules. An informational one only loses fields: what is set belongs to the final one. */
export function ruledResponse(head: ResponseHead, rules: HeaderRules): ResponseHead {
  const { text, marks } = head;
  const kept: number[] = [];
  let out = text.slice(0, head.fieldsStart);
  let next = 0;
  for (let at = head.fieldsStart; at < head.fieldsEnd;) {
    const end = text.indexOf("\r\n", at) + 2;
    const kind = marks[next + 1] === at ? marks[next] : undefined;
    if (kind !== undefined) next += 3;
    // What is hop-by-hop would be left out later; without its line it cannot be taken for one that the rules brought.
    if (kind !== LINE_HOP_BY_HOP && !isDropped(text.slice(at, text.indexOf(":", at)), rules)) {
      if (kind !== undefined) kept.push(kind, out.length, out.length + end - at);
      out += text.slice(at, end);
    }
    at = end;
  }
  if (!head.informational) out += rules.lines;
  const hasDate = head.hasDate || rules.ofDate;
  return withFields(head, { text: `${out}\r\n`, fieldsEnd: out.length, marks: kept, hasDate });
}

function withoutDropped(lines: string, rules: HeaderRules): string {
  if (rules.dropped.length === 0) return lines;
  let out = "";
  let from = 0;
  for (let at = 0; at < lines.length;) {
    const end = lines.indexOf("\r\n", at) + 2;
    if (isDropped(lines.slice(at, lines.indexOf(":", at)), rules)) {
      out += lines.slice(from, at);
      from = end;
    }
    at = end;
  }
  return from === 0 ? lines : out + lines.slice(from);
}

function isDropped(name: string, rules: HeaderRules): boolean {
  return rules.dropped.includes(comparable(name));
}

function comparable(name: string): string {
  return name.toLowerCase().replaceAll("_", "-");
}

const FRAMING = "how long a message is and what becomes of its connection is said by each hop itself";

/** Why rules may not name a field, of any message or of requests only. */
const REFUSED: ReadonlyMap<string, string> = new Map([
  ...["connection", "keep-alive", "proxy-connection", "upgrade", "te", "trailer", "http2-settings"].map(
    (name) => [name, FRAMING] as const,
  ),
  ...["transfer-encoding", "content-length", "expect"].map((name) => [name, FRAMING] as const),
  ["proxy-authorization", "it is meant for this hop and never travels on"],
  ["host", "say rewriteHost for the host that the app sees"],
  ["via", "it tells loops, and every hop adds its own"],
]);

/** Why rules may not name this field; empty when they may. */
export function refusedField(name: string): string {
  if (!isToken(name)) return `expected the name of a field, not ${JSON.stringify(name)}`;
  const reason = REFUSED.get(comparable(name));
  return reason === undefined ? "" : `${name} cannot be changed by a route: ${reason}`;
}

/** Whether the value of a field can hold no more than itself: printable ASCII, blanks not at its ends. */
export function isPlainValue(value: string): boolean {
  return /^(?:[!-~](?:[\t -~]*[!-~])?)?$/.test(value);
}
