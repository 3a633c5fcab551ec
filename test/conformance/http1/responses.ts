/** RFC 9112 §4 and §6, RFC 9110 §15: an app's answers, and what the client gets for them. */
import type { Case } from "./talk.ts";
import {
  answered,
  appGets,
  appSeesClose,
  appSends,
  ASK,
  clientGets,
  clientSends,
  failed,
  forwarded,
  head,
  NEXT,
  nextIsAnswered,
  nextIsServed,
  reframed,
  talk,
} from "./talk.ts";

const STATUS = "RFC 9112 §4 status line";
const INTERIM = "RFC 9110 §15.2 interim answers";
const OLD_CLIENTS = "RFC 9112 §2.3 answers to HTTP/1.0";
const OLD_APPS = "RFC 9112 §2.3 answers of HTTP/1.0";
const SPLITTING = "Attacks: response splitting and queue poisoning";

const VIA = "Via: 1.1 edge";
const C2 = "Content-Length: 2";
const ok = (...fields: readonly string[]): string => head("HTTP/1.1 200 OK", ...fields);
const status = (line: string): string => `${head(line, C2)}ok`;
const CHUNKED = "Transfer-Encoding: chunked";
const chunks = (body: string): string => ok(CHUNKED) + body;
const HEAD_ASK = head("HEAD / HTTP/1.1", "Host: x");
const OLD = head("GET / HTTP/1.0", "Host: x");
const OLD_KEPT = head("GET / HTTP/1.0", "Host: x", "Connection: keep-alive");
const oldAsked = { start: "GET / HTTP/1.1\r\nHost: x\r\n", via: "1.0" } as const;
const SECOND = `${ok("Content-Length: 4")}evil`;
const DONE = "0\r\n\r\n";

export const responseCases: readonly Case[] = [
  answered(
    STATUS,
    "a reason of several words passes",
    status("HTTP/1.1 299 Quite All Right"),
    `${head("HTTP/1.1 299 Quite All Right", C2, VIA)}ok`,
  ),
  answered(STATUS, "an empty reason passes", status("HTTP/1.1 200 "), `${head("HTTP/1.1 200 ", C2, VIA)}ok`),
  answered(
    STATUS,
    "a reason that is missing with its blank is mended",
    status("HTTP/1.1 200"),
    `${head("HTTP/1.1 200 ", C2, VIA)}ok`,
  ),
  answered(
    STATUS,
    "a reason above ASCII passes",
    status("HTTP/1.1 200 \xfcber"),
    `${head("HTTP/1.1 200 \xfcber", C2, VIA)}ok`,
  ),
  answered(
    STATUS,
    "a status that nobody knows passes",
    status("HTTP/1.1 599 Odd"),
    `${head("HTTP/1.1 599 Odd", C2, VIA)}ok`,
  ),
  ...[600, 700, 999].map((number) =>
    answered(
      STATUS,
      `status ${number}, of a class that nobody knows, passes`,
      status(`HTTP/1.1 ${number} High`),
      `${head(`HTTP/1.1 ${number} High`, C2, VIA)}ok`,
    ),
  ),
  answered(
    STATUS,
    "a 500 of the app is the app's, and passes",
    status("HTTP/1.1 500 Oops"),
    `${head("HTTP/1.1 500 Oops", C2, VIA)}ok`,
  ),
  ...(
    [
      ["status 099", "HTTP/1.1 099 Low"],
      ["status 000", "HTTP/1.1 000 None"],
      ["a status of two digits", "HTTP/1.1 20 OK"],
      ["a status of four digits", "HTTP/1.1 2000 OK"],
      ["a status with a letter", "HTTP/1.1 2OO OK"],
      ["a negative status", "HTTP/1.1 -20 OK"],
      ["no status", "HTTP/1.1 OK"],
      ["two blanks before the status", "HTTP/1.1  200 OK"],
      ["a tab before the status", "HTTP/1.1\t200 OK"],
      ["a tab behind the status", "HTTP/1.1 200\tOK"],
      ["a comma behind the status", "HTTP/1.1 200,OK"],
      ["version 1.2", "HTTP/1.2 200 OK"],
      ["version 2", "HTTP/2 200"],
      ["version 2.0", "HTTP/2.0 200 OK"],
      ["version 0.9", "HTTP/0.9 200 OK"],
      ["a version in lower case", "http/1.1 200 OK"],
      ["another protocol", "ICY 200 OK"],
      ["a blank at the start", " HTTP/1.1 200 OK"],
      ["a NUL in the reason", "HTTP/1.1 200 O\0K"],
      ["a bare carriage return in the reason", "HTTP/1.1 200 O\rK"],
      ["a bare line feed in the reason", "HTTP/1.1 200 O\nK"],
      ["an escape in the reason", "HTTP/1.1 200 \x1b[2J"],
    ] as const
  ).map(([what, line]) => failed(STATUS, `${what} is refused`, status(line))),
  failed(STATUS, "an empty line before the status line is refused", `\r\n${status("HTTP/1.1 200 OK")}`),
  failed(STATUS, "an answer without a head, as in HTTP/0.9, is refused", "<html>hello</html>", { ends: "end" }),
  failed(STATUS, "a request for an answer is refused", head("GET / HTTP/1.1", "Host: x")),
  failed(STATUS, "no answer is refused", "", {
    ends: "reset",
    ask: head("POST / HTTP/1.1", "Host: x"),
    code: "TARGET_FAILED",
  }),
  failed(STATUS, "half a head is refused", "HTTP/1.1 200 OK\r\nContent-Le", { ends: "end", code: "TARGET_FAILED" }),

  answered(
    INTERIM,
    "103 passes before the answer",
    `${head("HTTP/1.1 103 Early Hints", "Link: </a>; rel=preload")}${ok("Content-Length: 0")}`,
    `${head("HTTP/1.1 103 Early Hints", "Link: </a>; rel=preload", VIA)}${ok("Content-Length: 0", VIA)}`,
  ),
  answered(
    INTERIM,
    "a blank before the colon of one is taken out",
    `${head("HTTP/1.1 103 Early Hints", "Link : </a>; rel=preload")}${ok("Content-Length : 0")}`,
    `${head("HTTP/1.1 103 Early Hints", "Link: </a>; rel=preload", VIA)}${ok("Content-Length: 0", VIA)}`,
  ),
  answered(
    INTERIM,
    "102 passes",
    `${head("HTTP/1.1 102 Processing")}${ok("Content-Length: 0")}`,
    `${head("HTTP/1.1 102 Processing", VIA)}${ok("Content-Length: 0", VIA)}`,
  ),
  answered(
    INTERIM,
    "100 that nobody asked for passes",
    `${head("HTTP/1.1 100 Continue")}${ok("Content-Length: 0")}`,
    `${head("HTTP/1.1 100 Continue", VIA)}${ok("Content-Length: 0", VIA)}`,
  ),
  answered(
    INTERIM,
    "one that nobody knows passes",
    `${head("HTTP/1.1 199 Odd")}${ok("Content-Length: 0")}`,
    `${head("HTTP/1.1 199 Odd", VIA)}${ok("Content-Length: 0", VIA)}`,
  ),
  answered(
    INTERIM,
    "several pass in their order",
    `${head("HTTP/1.1 103 One")}${head("HTTP/1.1 103 Two")}${ok("Content-Length: 0")}`,
    `${head("HTTP/1.1 103 One", VIA)}${head("HTTP/1.1 103 Two", VIA)}${ok("Content-Length: 0", VIA)}`,
  ),
  answered(
    INTERIM,
    "a length of zero in one is taken out",
    `${head("HTTP/1.1 103 Early Hints", "Content-Length: 0")}${ok("Content-Length: 0")}`,
    `${head("HTTP/1.1 103 Early Hints", VIA)}${ok("Content-Length: 0", VIA)}`,
  ),
  answered(
    INTERIM,
    "close in one ends no connection yet",
    `${head("HTTP/1.1 103 Early Hints", "Connection: close")}${ok("Content-Length: 0")}`,
    `${head("HTTP/1.1 103 Early Hints", VIA)}${ok("Content-Length: 0", VIA)}`,
  ),
  answered(
    INTERIM,
    "HTTP/1.0 clients get none",
    `${head("HTTP/1.1 103 Early Hints")}${ok("Content-Length: 0")}`,
    ok("Content-Length: 0", VIA, "Connection: close"),
    { ask: OLD, asked: oldAsked, client: "closed" },
  ),
  failed(
    INTERIM,
    "one that announces content is refused",
    `${head("HTTP/1.1 103 Early Hints", C2)}ok${ok("Content-Length: 0")}`,
  ),
  failed(
    INTERIM,
    "one that announces chunks is refused",
    `${head("HTTP/1.1 103 Early Hints", CHUNKED)}${DONE}${ok("Content-Length: 0")}`,
  ),
  failed(
    INTERIM,
    "101 that nobody asked for is refused",
    `${head("HTTP/1.1 101 Switching Protocols", "Upgrade: x")}${SECOND}`,
  ),

  answered(
    OLD_CLIENTS,
    "chunks are taken apart, and the close is the end",
    chunks(`2\r\nok\r\n3;a\r\nay!\r\n0\r\nX: y\r\n\r\n`),
    `${ok(VIA, "Connection: close")}okay!`,
    { ask: OLD_KEPT, asked: oldAsked, client: "closed" },
  ),
  answered(
    OLD_CLIENTS,
    "a length passes, and the close follows",
    `${ok(C2)}ok`,
    `${ok(C2, VIA, "Connection: close")}ok`,
    { ask: OLD, asked: oldAsked, client: "closed" },
  ),
  answered(OLD_CLIENTS, "HEAD of chunks loses the coding", ok(CHUNKED), ok(VIA, "Connection: keep-alive"), {
    ask: OLD_KEPT.replace("GET", "HEAD"),
    asked: { start: "HEAD / HTTP/1.1\r\nHost: x\r\n", via: "1.0" },
  }),
  answered(
    OLD_CLIENTS,
    "the app's close is the end, keep-alive or not",
    `${ok()}ok`,
    `${ok(VIA, "Connection: close")}ok`,
    { ask: OLD_KEPT, asked: oldAsked, ends: "end", client: "closed" },
  ),
  answered(
    OLD_CLIENTS,
    "204 keeps the connection",
    head("HTTP/1.1 204 No Content"),
    head("HTTP/1.1 204 No Content", VIA, "Connection: keep-alive"),
    { ask: OLD_KEPT, asked: oldAsked },
  ),

  answered(
    OLD_APPS,
    "a length is one, and the connection is not kept",
    `${head("HTTP/1.0 200 OK", C2)}ok`,
    `${head("HTTP/1.1 200 OK", C2, "Via: 1.0 edge")}ok`,
    { app: "new" },
  ),
  answered(
    OLD_APPS,
    "keep-alive keeps the connection",
    `${head("HTTP/1.0 200 OK", C2, "Connection: keep-alive")}ok`,
    `${head("HTTP/1.1 200 OK", C2, "Via: 1.0 edge")}ok`,
  ),
  reframed(
    OLD_APPS,
    "without a length its close is the end",
    `${head("HTTP/1.0 200 OK")}ok`,
    head("HTTP/1.1 200 OK", CHUNKED, "Via: 1.0 edge"),
  ),
  reframed(
    OLD_APPS,
    "keep-alive without a length means nothing",
    `${head("HTTP/1.0 200 OK", "Connection: keep-alive")}ok`,
    head("HTTP/1.1 200 OK", CHUNKED, "Via: 1.0 edge"),
  ),

  answered(
    SPLITTING,
    "a second answer behind the first reaches nobody, and the connection is let go",
    `${ok(C2)}ok${SECOND}`,
    `${ok(C2, VIA)}ok`,
    { app: "new" },
  ),
  answered(SPLITTING, "one byte too many reaches nobody", `${ok(C2)}ok!`, `${ok(C2, VIA)}ok`, { app: "new" }),
  answered(SPLITTING, "a line end too many reaches nobody", `${ok(C2)}ok\r\n`, `${ok(C2, VIA)}ok`, { app: "new" }),
  answered(
    SPLITTING,
    "an answer behind the last chunk reaches nobody",
    chunks(`2\r\nok\r\n${DONE}${SECOND}`),
    `${ok(CHUNKED, VIA)}2\r\nok\r\n${DONE}`,
    { app: "new" },
  ),
  answered(
    SPLITTING,
    "a second last chunk reaches nobody",
    chunks(`2\r\nok\r\n${DONE}${DONE}`),
    `${ok(CHUNKED, VIA)}2\r\nok\r\n${DONE}`,
    { app: "new" },
  ),
  answered(
    SPLITTING,
    "an answer behind a length of zero reaches nobody",
    ok("Content-Length: 0") + SECOND,
    ok("Content-Length: 0", VIA),
    { app: "new" },
  ),
  answered(SPLITTING, "an answer behind that to HEAD reaches nobody", ok(C2) + SECOND, ok(C2, VIA), {
    ask: HEAD_ASK,
    app: "new",
  }),
  answered(
    SPLITTING,
    "an answer behind 204 reaches nobody",
    head("HTTP/1.1 204 No Content") + SECOND,
    head("HTTP/1.1 204 No Content", VIA),
    { app: "new" },
  ),
  answered(
    SPLITTING,
    "an answer behind 304 reaches nobody",
    head("HTTP/1.1 304 Not Modified") + SECOND,
    head("HTTP/1.1 304 Not Modified", VIA),
    { app: "new" },
  ),
  talk(
    SPLITTING,
    "what an app says on an idle connection is nobody's answer",
    clientSends(ASK),
    appGets(forwarded(ASK)),
    appSends(ok("Content-Length: 0")),
    clientGets(ok("Content-Length: 0", VIA)),
    appSends(SECOND),
    appSeesClose,
    nextIsServed("new"),
  ),
  talk(
    SPLITTING,
    "a second answer is not that of the request in the pipeline",
    clientSends(ASK + NEXT),
    appGets(forwarded(ASK)),
    appSends(`${ok(C2)}ok${SECOND}`),
    clientGets(`${ok(C2, VIA)}ok`),
    nextIsAnswered("new"),
  ),
];
