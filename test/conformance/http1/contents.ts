/** RFC 9112 §6.3 and §7.1, RFC 9110 §6.4.1: where an app's answer ends, and what the client gets if it does not. */
import type { Case } from "./talk.ts";
import {
  answered,
  appGets,
  appSeesClose,
  appSends,
  ASK,
  clientGets,
  clientSeesReset,
  clientSends,
  cutOff,
  failed,
  forwarded,
  head,
  nextIsServed,
  reframed,
  talk,
} from "./talk.ts";

const LENGTH = "RFC 9112 §6.3 length of answers";
const CHUNKS = "RFC 9112 §7.1 chunks of answers";
const BODYLESS = "RFC 9110 §6.4.1 answers without content";

const VIA = "Via: 1.1 edge";
const C2 = "Content-Length: 2";
const ok = (...fields: readonly string[]): string => head("HTTP/1.1 200 OK", ...fields);
/** Given with these lines, got with those, both with two bytes of content. */
const CHUNKED = "Transfer-Encoding: chunked";
const chunks = (body: string): string => ok(CHUNKED) + body;
const HEAD_ASK = head("HEAD / HTTP/1.1", "Host: x");
const SECOND = `${ok("Content-Length: 4")}evil`;
const DONE = "0\r\n\r\n";

export const contentCases: readonly Case[] = [
  answered(LENGTH, "a length of zero is no body", ok("Content-Length: 0"), ok("Content-Length: 0", VIA)),
  answered(LENGTH, "two equal lengths become one", `${ok(C2, C2)}ok`, `${ok(C2, VIA)}ok`),
  answered(
    LENGTH,
    "leading zeros, which embedded apps write, pass",
    `${ok("Content-Length: 0002")}ok`,
    `${ok("Content-Length: 0002", VIA)}ok`,
  ),
  reframed(
    LENGTH,
    "without one the app's close is the end, and the client gets chunks",
    `${ok("A: b")}until the end`,
    ok("A: b", CHUNKED, VIA),
  ),
  reframed(LENGTH, "without one and without a byte the client gets the last chunk", ok(), ok(CHUNKED, VIA)),
  reframed(LENGTH, "without one, what looks like another answer is content", `${ok()}${SECOND}`, ok(CHUNKED, VIA)),
  reframed(
    LENGTH,
    "without one, what looks like a last chunk is content",
    `${ok()}0\r\n\r\n5\r\nhello\r\n`,
    ok(CHUNKED, VIA),
  ),
  reframed(LENGTH, "without one, 70 000 bytes are all in the chunks", `${ok()}${"a".repeat(70_000)}`, ok(CHUNKED, VIA)),
  reframed(
    LENGTH,
    "without one, a client that wants its connection closed gets chunks, and the close behind them",
    `${ok()}until the end`,
    ok(CHUNKED, VIA, "Connection: close"),
    { ask: head("GET / HTTP/1.1", "Host: x", "Connection: close"), client: "closed" },
  ),
  answered(LENGTH, "one that the app's close agrees with is complete", `${ok(C2)}ok`, `${ok(C2, VIA)}ok`, {
    ends: "end",
  }),
  reframed(
    LENGTH,
    "without one, a reset of the app is no end: there is no last chunk, and the client's connection is cut",
    `${ok()}some`,
    ok(CHUNKED, VIA),
    { ends: "reset" },
  ),
  cutOff(
    LENGTH,
    "fewer bytes than it says are cut off",
    `${ok("Content-Length: 5")}ok`,
    `${ok("Content-Length: 5", VIA)}ok`,
    "",
    "end",
  ),
  cutOff(
    LENGTH,
    "fewer bytes than it says and a reset are cut off",
    `${ok("Content-Length: 5")}ok`,
    `${ok("Content-Length: 5", VIA)}ok`,
    "",
    "reset",
  ),
  ...(
    [
      ["two lengths that differ", "Content-Length: 3"],
      ["a list of lengths", "Content-Length: 2, 2"],
      ["a negative length", "Content-Length: -2"],
      ["a length with a plus", "Content-Length: +2"],
      ["a hexadecimal length", "Content-Length: 0x2"],
      ["an empty length", "Content-Length:"],
      ["a length with a fraction", "Content-Length: 2.0"],
      ["a length with a tab beside it", "Content-Length:\t2"],
      ["a length of 2^53", "Content-Length: 9007199254740992"],
      ["a length that wraps round 2^64", "Content-Length: 18446744073709551618"],
      ["a length beside a coding", CHUNKED],
    ] as const
  ).map(([what, line]) =>
    failed(
      LENGTH,
      `${what} is refused`,
      `${what.startsWith("two") || what.endsWith("coding") ? ok(C2, line) : ok(line)}ok`,
    ),
  ),
  ...[
    "identity",
    "gzip",
    "gzip, chunked",
    "chunked, chunked",
    "chunked, identity",
    "xchunked",
    '"chunked"',
    "chunked;a=b",
    "\tchunked",
    ", chunked",
    "",
    "\vchunked",
  ].map((coding) =>
    failed(
      LENGTH,
      `the coding ${JSON.stringify(coding)} is refused`,
      `${ok(`Transfer-Encoding: ${coding}`)}2\r\nok\r\n${DONE}`,
    ),
  ),
  failed(LENGTH, "two lines of codings are refused", `${ok(CHUNKED, CHUNKED)}2\r\nok\r\n${DONE}`),
  failed(
    LENGTH,
    "a coding in an answer of HTTP/1.0 is refused",
    `${head("HTTP/1.0 200 OK", CHUNKED)}2\r\nok\r\n${DONE}`,
  ),
  failed(LENGTH, "a coding and a length behind it are refused", `${ok(CHUNKED, C2)}2\r\nok\r\n${DONE}`),

  answered(CHUNKS, "they pass as they came", chunks(`2\r\nok\r\n${DONE}`), `${ok(CHUNKED, VIA)}2\r\nok\r\n${DONE}`),
  answered(
    CHUNKS,
    "extensions and trailers pass as they came",
    chunks(`2;a="b"\r\nok\r\n0;c\r\nX-Sum: 1\r\n\r\n`),
    `${ok(CHUNKED, VIA)}2;a="b"\r\nok\r\n0;c\r\nX-Sum: 1\r\n\r\n`,
  ),
  answered(CHUNKS, "none but the last is an empty body", chunks(DONE), `${ok(CHUNKED, VIA)}${DONE}`),
  answered(
    CHUNKS,
    "leading zeros of sizes pass",
    chunks(`0002\r\nok\r\n0000\r\n\r\n`),
    `${ok(CHUNKED, VIA)}0002\r\nok\r\n0000\r\n\r\n`,
  ),
  answered(
    CHUNKS,
    "an answer in the data is data",
    chunks(`2b\r\n${SECOND.padEnd(43, "!")}\r\n${DONE}`),
    `${ok(CHUNKED, VIA)}2b\r\n${SECOND.padEnd(43, "!")}\r\n${DONE}`,
  ),
  ...(
    [
      ["a size that is no number", "x\r\n"],
      ["a size with a blank behind it", "2 \r\nok\r\n"],
      ["a size with 0x", "0x2\r\nok\r\n"],
      ["a bare line feed behind a size", "2\nok\r\n"],
      ["more data than the size says", "2\r\nokay\r\n"],
      ["a bare line feed behind the data", "2\r\nok\n"],
      ["a size that wraps round", "10000000000000002\r\nok\r\n"],
      ["a line end in a quoted extension", '2;a="\r\nok\r\n'],
    ] as const
  ).map(([what, rest]) =>
    talk(
      CHUNKS,
      `${what} is cut off, and no end follows`,
      clientSends(ASK),
      appGets(forwarded(ASK)),
      appSends(chunks("1\r\n!\r\n")),
      clientGets(`${ok(CHUNKED, VIA)}1\r\n!\r\n`),
      appSends(rest),
      appSeesClose,
      { kind: "client is cut off", most: rest },
    ),
  ),
  // As for requests: of a trailer line that may be none the client hears nothing.
  ...(
    [
      ["a folded trailer", `0\r\nA: b\r\n`, ` c\r\n\r\n`],
      ["a Content-Length in a trailer", `0\r\n`, `Content-Length: 2\r\n\r\n`],
      ["a Content-Length with a blank before its colon in a trailer", `0\r\n`, `Content-Length : 2\r\n\r\n`],
      ["a Set-Cookie in a trailer", `0\r\n`, `Set-Cookie: a=b\r\n\r\n`],
      ["a NUL in a trailer", `0\r\n`, `A: \0\r\n\r\n`],
      ["a NUL in a trailer whose line has no end", `0\r\n`, `A: \0`],
      ["a bare carriage return in a trailer", `0\r\n`, `A: b\rSet-Cookie: c=d\r\n\r\n`],
      ["a bare line feed in a trailer", `0\r\n`, `A: b\nSet-Cookie: c=d\r\n\r\n`],
      ["an answer behind a bare carriage return", `0\r\n`, `\rHTTP/1.0 200 OK\r\r`],
      ["an answer behind a bare line feed", `0\r\n`, `\nHTTP/1.0 200 OK\n\n`],
      ["an answer in place of a trailer", `0\r\n`, `HTTP/1.1 200 OK\r\n\r\n`],
      ["a trailer without a colon", `0\r\n`, `A\r\n\r\n`],
      ["trailers of more than 8 KiB", `0\r\n`, `A: ${"a".repeat(9000)}\r\n\r\n`],
    ] as const
  ).map(([what, fine, rest]) =>
    talk(
      CHUNKS,
      `${what} is cut off, and nothing of it goes on`,
      clientSends(ASK),
      appGets(forwarded(ASK)),
      appSends(chunks("1\r\n!\r\n")),
      clientGets(`${ok(CHUNKED, VIA)}1\r\n!\r\n`),
      appSends(fine),
      clientGets(fine),
      appSends(rest),
      appSeesClose,
      clientSeesReset,
    ),
  ),
  answered(
    CHUNKS,
    "blanks before the colon of a trailer are taken out",
    chunks(`2\r\nok\r\n0\r\nA: 1\r\nX-Sum : 1\r\nY\t :2\r\nZ: 3\r\n\r\n`),
    `${ok(CHUNKED, VIA)}2\r\nok\r\n0\r\nA: 1\r\nX-Sum: 1\r\nY:2\r\nZ: 3\r\n\r\n`,
  ),
  talk(
    CHUNKS,
    "a trailer waits for the end of its line, whole lines before it do not",
    clientSends(ASK),
    appGets(forwarded(ASK)),
    appSends(chunks("2\r\nok\r\n0\r\nA: b\r\nC: d")),
    clientGets(`${ok(CHUNKED, VIA)}2\r\nok\r\n0\r\nA: b\r\n`),
    appSends("e\r"),
    appSends("\nF: g\r\n\r"),
    clientGets("C: de\r\nF: g\r\n"),
    appSends("\n"),
    clientGets("\r\n"),
    nextIsServed("kept"),
  ),
  cutOff(
    CHUNKS,
    "a close within a trailer line is cut off",
    chunks("0\r\nA: b"),
    `${ok(CHUNKED, VIA)}0\r\n`,
    "",
    "end",
  ),
  cutOff(
    CHUNKS,
    "a close between two chunks is cut off",
    chunks("2\r\nok\r\n"),
    `${ok(CHUNKED, VIA)}2\r\nok\r\n`,
    "",
    "end",
  ),
  cutOff(
    CHUNKS,
    "a close before the last line is cut off",
    chunks("2\r\nok\r\n0\r\n"),
    `${ok(CHUNKED, VIA)}2\r\nok\r\n0\r\n`,
    "",
    "end",
  ),
  cutOff(
    CHUNKS,
    "a close within the trailers is cut off",
    chunks("0\r\nA: b\r\n"),
    `${ok(CHUNKED, VIA)}0\r\nA: b\r\n`,
    "",
    "end",
  ),

  answered(
    BODYLESS,
    "HEAD has the length of what GET has, and no content",
    ok("Content-Length: 500"),
    ok("Content-Length: 500", VIA),
    { ask: HEAD_ASK },
  ),
  answered(BODYLESS, "HEAD has the coding of what GET has, and no content", ok(CHUNKED), ok(CHUNKED, VIA), {
    ask: HEAD_ASK,
  }),
  answered(BODYLESS, "HEAD without a length is complete all the same", ok("A: b"), ok("A: b", VIA), { ask: HEAD_ASK }),
  answered(BODYLESS, "content with HEAD is dropped, with the app's connection", `${ok(C2)}ok`, ok(C2, VIA), {
    ask: HEAD_ASK,
    app: "new",
  }),
  answered(
    BODYLESS,
    "204 has none",
    head("HTTP/1.1 204 No Content", "A: b"),
    head("HTTP/1.1 204 No Content", "A: b", VIA),
  ),
  answered(
    BODYLESS,
    "204 with a length of zero loses it",
    head("HTTP/1.1 204 No Content", "Content-Length: 0"),
    head("HTTP/1.1 204 No Content", VIA),
  ),
  answered(
    BODYLESS,
    "204 with content loses it, and the app's connection",
    `${head("HTTP/1.1 204 No Content", C2)}ok`,
    head("HTTP/1.1 204 No Content", VIA),
    { app: "new" },
  ),
  answered(
    BODYLESS,
    "204 with chunks loses them, and the app's connection",
    `${head("HTTP/1.1 204 No Content", CHUNKED)}2\r\nok\r\n${DONE}`,
    head("HTTP/1.1 204 No Content", VIA),
    { app: "new" },
  ),
  answered(
    BODYLESS,
    "204 with content that it does not announce loses it, and the app's connection",
    `${head("HTTP/1.1 204 No Content")}ok`,
    head("HTTP/1.1 204 No Content", VIA),
    { app: "new" },
  ),
  answered(
    BODYLESS,
    "304 has the length of what 200 has, and no content",
    head("HTTP/1.1 304 Not Modified", "Content-Length: 500"),
    head("HTTP/1.1 304 Not Modified", "Content-Length: 500", VIA),
  ),
  answered(
    BODYLESS,
    "304 with content loses it, and the app's connection",
    `${head("HTTP/1.1 304 Not Modified", C2)}ok`,
    head("HTTP/1.1 304 Not Modified", C2, VIA),
    { app: "new" },
  ),
  answered(
    BODYLESS,
    "205 is framed as any other",
    head("HTTP/1.1 205 Reset Content", "Content-Length: 0"),
    head("HTTP/1.1 205 Reset Content", "Content-Length: 0", VIA),
  ),
  answered(
    BODYLESS,
    "205 with content has it, framed as it says",
    `${head("HTTP/1.1 205 Reset Content", C2)}ok`,
    `${head("HTTP/1.1 205 Reset Content", C2, VIA)}ok`,
  ),
  failed(BODYLESS, "HEAD with two lengths is refused", ok(C2, "Content-Length: 3"), { ask: HEAD_ASK }),
  failed(BODYLESS, "304 with a length and a coding is refused", head("HTTP/1.1 304 Not Modified", C2, CHUNKED)),
];
