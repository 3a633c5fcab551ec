/** RFC 9110 §7.6 and §6.6.1: which fields of an app's answer its client gets, and which of ours. */
import type { Case } from "./talk.ts";
import { answered, failed, head } from "./talk.ts";

const FIELDS = "RFC 9110 §7.6 fields of answers";
const DATE = "RFC 9110 §6.6.1 Date";

const VIA = "Via: 1.1 edge";
const C2 = "Content-Length: 2";
const CHUNKED = "Transfer-Encoding: chunked";
const DONE = "0\r\n\r\n";
const ok = (...fields: readonly string[]): string => head("HTTP/1.1 200 OK", ...fields);
/** Given with these lines, got with those, both with two bytes of content. */
const same = (section: string, name: string, ...fields: readonly string[]): Case =>
  answered(section, name, `${ok(...fields, C2)}ok`, `${ok(...fields, C2, VIA)}ok`);
const lost = (section: string, name: string, ...fields: readonly string[]): Case =>
  answered(section, name, `${ok("A: b", ...fields, C2)}ok`, `${ok("A: b", C2, VIA)}ok`);

export const answerFieldCases: readonly Case[] = [
  same(FIELDS, "fields pass as they came, in their order", "Server: a", "X-A: 1", "x-b:2", "X-A:  3"),
  same(FIELDS, "several cookies stay apart", "Set-Cookie: a=b", "Set-Cookie: c=d"),
  same(FIELDS, "bytes above ASCII pass", "X: \x80\xff"),
  same(FIELDS, "an empty value passes", "X:"),
  same(FIELDS, "Via of others stays before ours", "Via: 1.1 app"),
  same(FIELDS, "WWW-Authenticate passes", "WWW-Authenticate: Basic"),
  lost(FIELDS, "Connection does not pass", "Connection: keep-alive"),
  lost(FIELDS, "Keep-Alive does not pass", "Keep-Alive: timeout=5, max=100"),
  lost(FIELDS, "Proxy-Connection does not pass", "Proxy-Connection: keep-alive"),
  lost(FIELDS, "Proxy-Authenticate does not pass where nobody asks for it", "Proxy-Authenticate: Basic"),
  answered(
    FIELDS,
    "Proxy-Authenticate of a 407 passes, which has to have one",
    `${head("HTTP/1.1 407 Ask", "Proxy-Authenticate: Basic", "proxy-authenticate: Digest", C2)}ok`,
    `${head("HTTP/1.1 407 Ask", "Proxy-Authenticate: Basic", "proxy-authenticate: Digest", C2, VIA)}ok`,
  ),
  answered(
    FIELDS,
    "Proxy-Authenticate of a 407 cannot be named away",
    `${head("HTTP/1.1 407 Ask", "Proxy-Authenticate: Basic", "Connection: proxy-authenticate", C2)}ok`,
    `${head("HTTP/1.1 407 Ask", "Proxy-Authenticate: Basic", C2, VIA)}ok`,
  ),
  ...(
    [
      ["a blank before a colon is taken out", "A : b", "A: b"],
      ["a tab before a colon is taken out", "A\t: b", "A: b"],
      ["blanks of both kinds before a colon are taken out", "A \t \t:b", "A:b"],
    ] as const
  ).map(([what, line, clean], index) =>
    answered(FIELDS, what, `${ok("Server: s", line, C2)}ok`, `${ok("Server: s", clean, C2, VIA)}ok`, {
      ask: head(`GET /${index} HTTP/1.1`, "Host: x"),
    }),
  ),
  answered(
    FIELDS,
    "a length whose colon has a blank before it is the length",
    `${ok("Content-Length : 2")}ok`,
    `${ok(C2, VIA)}ok`,
  ),
  answered(
    FIELDS,
    "chunks whose colon has a blank before it are chunks",
    `${ok("Transfer-Encoding\t: chunked")}2\r\nok\r\n${DONE}`,
    `${ok(CHUNKED, VIA)}2\r\nok\r\n${DONE}`,
  ),
  answered(
    FIELDS,
    "Connection with a blank before its colon ends here",
    `${ok("Connection : close, x-hop", "X-Hop : 1", C2)}ok`,
    `${ok(C2, VIA)}ok`,
    { app: "new" },
  ),
  failed(FIELDS, "lengths that differ, one with a blank, are refused", `${ok("Content-Length : 5", C2)}ok`),
  failed(FIELDS, "a coding with a blank beside a length is refused", `${ok("Transfer-Encoding : chunked", C2)}ok`),
  lost(FIELDS, "Upgrade does not pass but with 101 and 426", "Upgrade: h2c", "Connection: upgrade"),
  lost(FIELDS, "what Connection names does not pass", "X-Hop: 1", "Connection: x-hop"),
  same(FIELDS, "what is ours to add cannot be named away", "Trailer: a"),
  answered(
    FIELDS,
    "Content-Length cannot be named away",
    `${ok(C2, "Connection: content-length")}ok`,
    `${ok(C2, VIA)}ok`,
  ),
  answered(
    FIELDS,
    "Set-Cookie cannot be named away",
    `${ok("Set-Cookie: a=b", C2, "Connection: set-cookie")}ok`,
    `${ok("Set-Cookie: a=b", C2, VIA)}ok`,
  ),
  answered(
    FIELDS,
    "close is about the app's connection, and the client's goes on",
    `${ok(C2, "Connection: close")}ok`,
    `${ok(C2, VIA)}ok`,
    { app: "new" },
  ),
  answered(
    FIELDS,
    "a Connection that is no list of tokens ends the app's connection",
    `${ok(C2, "Connection: keep-alive; close")}ok`,
    `${ok(C2, VIA)}ok`,
    { app: "new" },
  ),
  answered(
    FIELDS,
    "Upgrade passes with 426",
    `${head("HTTP/1.1 426 Upgrade Required", "Upgrade: websocket", "Connection: upgrade", C2)}ok`,
    `${head("HTTP/1.1 426 Upgrade Required", C2, "Connection: upgrade", "Upgrade: websocket", VIA)}ok`,
  ),
  ...(
    [
      ["a folded line", "A: b\r\n c"],
      ["a first line that is folded", " A: b"],
      ["a blank in a name", "A b: c"],
      ["a blank for a name", " : b"],
      ["a vertical tab before a colon", "A\v: b"],
      ["an empty name", ": b"],
      ["a line without a colon", "A"],
      ["a name that is no token", "A(b): c"],
      ["a name above ASCII", "\xe4: b"],
      ["a NUL in a value", "A: \0"],
      ["a bare carriage return in a value", "A: b\rSet-Cookie: c=d"],
      ["a bare line feed in a value", "A: b\nSet-Cookie: c=d"],
      ["an escape in a value", "A: \x1b[2J"],
      ["DEL in a value", "A: \x7f"],
    ] as const
  ).map(([what, line]) => failed(FIELDS, `${what} is refused`, `${ok(line, C2)}ok`)),
  failed(
    FIELDS,
    "more than a hundred fields are refused",
    `${ok(...Array.from({ length: 120 }, (_, index) => `X-${index}: 1`), C2)}ok`,
  ),
  failed(FIELDS, "a head that is larger than its limit is refused", `${ok(`A: ${"a".repeat(100_000)}`, C2)}ok`),
  failed(FIELDS, "a head of bare line feeds is refused", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok"),

  // Every other answer here has none from its app, and gets ours.
  same(DATE, "that of the app passes, however old it is", "Date: Tue, 15 Nov 1994 08:12:31 GMT"),
  same(DATE, "that of the app passes in any case, wherever it stands", "A: b", "dAtE: Tue, 15 Nov 1994 08:12:31 GMT"),
  same(DATE, "that of the app passes, also when it is none", "Date: yesterday"),

  answered(
    DATE,
    "errors of apps get one too",
    head("HTTP/1.1 503 Busy", "Retry-After: 1", "Content-Length: 0"),
    head("HTTP/1.1 503 Busy", "Retry-After: 1", "Content-Length: 0", VIA),
  ),
];
