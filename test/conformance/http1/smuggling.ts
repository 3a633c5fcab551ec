/**
 * Request smuggling by its known classes. Each attack carries a second request that must not reach the app, or must reach
 * it as plain content of the first, whichever way the two parsers in question differ.
 */
import type { Case } from "./talk.ts";
import {
  appGets,
  appSeesClose,
  appSends,
  broken,
  clientGets,
  clientSeesEnd,
  clientSends,
  forwarded,
  GIVEN,
  GOT,
  head,
  NEXT,
  nextIsAnswered,
  nextIsServed,
  passed,
  refused,
  talk,
} from "./talk.ts";

const CL_TE = "Attacks: CL.TE";
const TE_CL = "Attacks: TE.CL";
const TE_TE = "Attacks: TE.TE";
const CL_0 = "Attacks: CL.0 and 0.CL";
const TE_0 = "Attacks: TE.0";
const EXTENSIONS = "Attacks: TERM.EXT, EXT.TERM and TERM.SPILL";
const DOWNGRADE = "Attacks: HTTP/2 in HTTP/1.1";
const NORMALISED = "Attacks: names that apps make equal";
const HIDDEN = "Attacks: hidden fields";

const X = "Host: x";
const ADMIN = head("GET /admin HTTP/1.1", X);
const post = (...lines: readonly string[]): string => head("POST / HTTP/1.1", X, ...lines);
const CHUNKED = "Transfer-Encoding: chunked";
const END = "0\r\n\r\n";
/** A length that covers the attacked chunks and the request behind them. */
const covering = (body: string): string => `Content-Length: ${body.length}`;
const chunk = (data: string): string => `${data.length.toString(16)}\r\n${data}\r\n`;
const OBSCURE: readonly (readonly [string, string])[] = [
  ["a blank before the colon", "Transfer-Encoding : chunked"],
  ["a tab behind the colon", "Transfer-Encoding:\tchunked"],
  ["an underscore for the hyphen", "Transfer_Encoding: chunked"],
  ["a leading blank", " Transfer-Encoding: chunked"],
  ["a leading tab", "\tTransfer-Encoding: chunked"],
  ["a vertical tab in the value", "Transfer-Encoding: \vchunked"],
  ["a prefixed value", "Transfer-Encoding: xchunked"],
  ["a suffix behind a comma", "Transfer-Encoding: chunked, cow"],
  ["a prefix before a comma", "Transfer-Encoding: cow, chunked"],
  ["quotes", 'Transfer-Encoding: "chunked"'],
  ["a folded value", "Transfer-Encoding:\r\n chunked"],
  ["a bare line feed before it", "A: b\nTransfer-Encoding: chunked"],
  ["a bare carriage return before it", "A: b\rTransfer-Encoding: chunked"],
  ["a NUL in its name", "Transfer-Encoding\0: chunked"],
  ["a byte above ASCII behind its value", "Transfer-Encoding: chunked\x85"],
  ["an escape before its value", "Transfer-Encoding: \x1bchunked"],
  ["a second colon", "Transfer-Encoding:: chunked"],
  ["an equals sign for the colon", "Transfer-Encoding=chunked"],
  ["a tilde for the hyphen", "Transfer~Encoding: chunked"],
  ["a blank in its name", "Transfer Encoding: chunked"],
];

export const smugglingCases: readonly Case[] = [
  refused(
    CL_TE,
    "a length over both, chunks that end before the second request",
    `${post(covering(END + ADMIN), CHUNKED)}${END}${ADMIN}`,
  ),
  refused(CL_TE, "the same with the coding first", `${post(CHUNKED, covering(END + ADMIN))}${END}${ADMIN}`),
  refused(CL_TE, "the same in a GET", `${head("GET / HTTP/1.1", X, covering(END + ADMIN), CHUNKED)}${END}${ADMIN}`),
  refused(
    CL_TE,
    "the same with the coding named in Connection",
    `${post("Connection: transfer-encoding", covering(END + ADMIN), CHUNKED)}${END}${ADMIN}`,
  ),
  refused(
    CL_TE,
    "the same with Expect",
    `${post("Expect: 100-continue", covering(END + ADMIN), CHUNKED)}${END}${ADMIN}`,
  ),
  refused(
    CL_TE,
    "the same in HTTP/1.0",
    `${head("POST / HTTP/1.0", X, "Connection: keep-alive", covering(END + ADMIN), CHUNKED)}${END}${ADMIN}`,
  ),
  refused(CL_TE, "a prefix that waits for the next client", `${post("Content-Length: 6", CHUNKED)}${END}G`),

  refused(
    TE_CL,
    "a short length, a chunk that holds the second request",
    `${post("Content-Length: 4", CHUNKED)}${chunk(ADMIN)}${END}`,
  ),
  refused(
    TE_CL,
    "the same with the length named in Connection",
    `${post("Connection: content-length", "Content-Length: 4", CHUNKED)}${chunk(ADMIN)}${END}`,
  ),
  refused(TE_CL, "the same with a length of zero", `${post("Content-Length: 0", CHUNKED)}${chunk(ADMIN)}${END}`),
  refused(
    TE_CL,
    "the same with the coding in capitals",
    `${post("Content-Length: 4", "TRANSFER-ENCODING: CHUNKED")}${chunk(ADMIN)}${END}`,
  ),
  passed(TE_CL, "without a length the request in the chunk is content", `${post(CHUNKED)}${chunk(ADMIN)}${END}`),

  ...OBSCURE.map(([what, line]) =>
    refused(TE_TE, `a coding with ${what}, beside a length`, `${post(covering(END + ADMIN), line)}${END}${ADMIN}`),
  ),
  ...OBSCURE.map(([what, line]) =>
    refused(TE_TE, `a coding with ${what}, behind a good one`, `${post(CHUNKED, line)}${chunk(ADMIN)}${END}`),
  ),
  ...OBSCURE.map(([what, line]) =>
    refused(TE_TE, `a coding with ${what}, alone`, `${post(line)}${chunk(ADMIN)}${END}`),
  ),

  passed(
    CL_0,
    "a GET with a length has its content, and no second request",
    `${head("GET / HTTP/1.1", X, covering(ADMIN))}${ADMIN}`,
  ),
  passed(CL_0, "a HEAD with a length has its content", `${head("HEAD / HTTP/1.1", X, covering(ADMIN))}${ADMIN}`, {
    given: head("HTTP/1.1 200 OK", "Content-Length: 9"),
    got: head("HTTP/1.1 200 OK", "Content-Length: 9", "Via: 1.1 edge"),
  }),
  passed(CL_0, "an OPTIONS with a length has its content", `${head("OPTIONS * HTTP/1.1", X, covering(ADMIN))}${ADMIN}`),
  talk(
    CL_0,
    "an app that takes the content for a request answers twice: the second answer is nobody's",
    clientSends(`${post(covering(ADMIN))}${ADMIN}`),
    appGets(forwarded(`${post(covering(ADMIN))}${ADMIN}`)),
    appSends(`${GIVEN}${head("HTTP/1.1 200 OK", "Content-Length: 6")}secret`),
    clientGets(GOT),
    appSeesClose,
    nextIsServed("new"),
  ),
  talk(
    CL_0,
    "an app that answers before the content has its connection closed, so that the content is never a request",
    clientSends(post(covering(ADMIN))),
    appGets(forwarded(post(covering(ADMIN)))),
    appSends(GIVEN),
    clientGets(GOT),
    appSeesClose,
    clientSends(ADMIN),
    nextIsServed("new"),
  ),
  talk(
    CL_0,
    "an expectation that a parser misses, and a request for content",
    clientSends(post("Expect: 100-continue", covering(ADMIN))),
    appGets(forwarded(post("Expect: 100-continue", covering(ADMIN)))),
    appSends(GIVEN),
    clientGets(GOT.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")),
    clientSends(ADMIN),
    clientSeesEnd,
  ),
  refused(CL_0, "an obscured length is not none", `${post(covering(ADMIN).replace(":", " :"))}${ADMIN}`),
  refused(CL_0, "a folded length is not none", `${post("A: b", ` ${covering(ADMIN)}`)}${ADMIN}`),
  refused(CL_0, "a length behind a bare line feed is not none", `${post(`A: b\n${covering(ADMIN)}`)}${ADMIN}`),
  refused(CL_0, "a length of another alphabet's digits is not none", `${post("Content-Length: \xd9\xa5")}${ADMIN}`),
  refused(
    CL_0,
    "an obscured expectation hides no content",
    `${post("Expect: y 100-continue", covering(ADMIN))}${ADMIN}`,
  ),
  refused(
    CL_0,
    "an expectation with a blank before its colon hides none",
    `${post("Expect : 100-continue", covering(ADMIN))}${ADMIN}`,
  ),

  passed(
    TE_0,
    "an OPTIONS with chunks has its content",
    `${head("OPTIONS / HTTP/1.1", X, CHUNKED)}${chunk(ADMIN)}${END}`,
  ),
  passed(TE_0, "a GET with chunks has its content", `${head("GET / HTTP/1.1", X, CHUNKED)}${chunk(ADMIN)}${END}`),
  talk(
    TE_0,
    "an app that does not wait for chunks has its connection closed, so that they are never requests",
    clientSends(`${post(CHUNKED)}${ADMIN.length.toString(16)}\r\n`),
    appGets(forwarded(`${post(CHUNKED)}${ADMIN.length.toString(16)}\r\n`)),
    appSends(GIVEN),
    clientGets(GOT),
    appSeesClose,
    clientSends(`${ADMIN}\r\n${END}`),
    nextIsServed("new"),
  ),

  broken(
    EXTENSIONS,
    "a line feed that ends an extension for some only (TERM.EXT)",
    `${post(CHUNKED)}5;\nhello\r\n${END}${ADMIN}`,
    `${post(CHUNKED)}5;`,
  ),
  broken(
    EXTENSIONS,
    "a line feed in an extension that others read on (EXT.TERM)",
    `${post(CHUNKED)}2;a\nxx\r\n2d\r\nab\r\n${END}${ADMIN}`,
    `${post(CHUNKED)}2;a`,
  ),
  broken(
    EXTENSIONS,
    "a carriage return in an extension",
    `${post(CHUNKED)}2;a\rxx\r\nab\r\n${END}${ADMIN}`,
    `${post(CHUNKED)}2;a\r`,
  ),
  broken(
    EXTENSIONS,
    "a carriage return and a letter behind a size (TERM.SPILL)",
    `${post(CHUNKED)}5\rXhello\r\n${END}${ADMIN}`,
    `${post(CHUNKED)}5\r`,
  ),
  broken(
    EXTENSIONS,
    "a line feed behind the data (LF spill)",
    `${post(CHUNKED)}5\r\nhello\n0\r\n\r\n${ADMIN}`,
    `${post(CHUNKED)}5\r\nhello`,
  ),
  broken(
    EXTENSIONS,
    "two bytes that are no line end behind the data (any spill)",
    `${post(CHUNKED)}5\r\nhelloXX0\r\n\r\n${ADMIN}`,
    `${post(CHUNKED)}5\r\nhello`,
  ),
  broken(
    EXTENSIONS,
    "a request within a quoted extension",
    `${post(CHUNKED)}1;a="\r\n${ADMIN}"\r\nx\r\n${END}`,
    `${post(CHUNKED)}1;a="\r`,
  ),
  broken(
    EXTENSIONS,
    "a request in the trailer section",
    `${post(CHUNKED)}0\r\n${ADMIN}`,
    `${post(CHUNKED)}0\r\n${ADMIN.slice(0, 21)}`,
  ),
  broken(
    EXTENSIONS,
    "a blank in place of the last line",
    `${post(CHUNKED)}0\r\n \r\n${ADMIN}`,
    `${post(CHUNKED)}0\r\n \r`,
  ),

  refused(
    DOWNGRADE,
    "pseudo-fields before the request's own",
    head("GET / HTTP/1.1", ":method: POST", ":path: /admin", X),
  ),
  refused(DOWNGRADE, "a pseudo-field that holds a line end", head("GET / HTTP/1.1", X, ":path: / HTTP/1.1\r\nHost: y")),
  refused(DOWNGRADE, "a protocol pseudo-field", head("GET / HTTP/1.1", X, ":protocol: websocket")),
  passed(
    DOWNGRADE,
    "an upgrade to h2c opens no way past the rules",
    head(
      "GET / HTTP/1.1",
      X,
      "Connection: Upgrade, HTTP2-Settings",
      "Upgrade: h2c",
      "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
    ),
    {
      start: "GET / HTTP/1.1\r\nHost: x\r\n",
    },
  ),
  passed(
    DOWNGRADE,
    "HTTP2-Settings alone does not travel on",
    head("GET / HTTP/1.1", X, "HTTP2-Settings: AAAA", "A: b"),
    {
      start: "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n",
    },
  ),
  refused(
    DOWNGRADE,
    "a preface of another version with a request behind it",
    `PRI * HTTP/2.1\r\n\r\nSM\r\n\r\n${ADMIN}`,
  ),

  passed(
    NORMALISED,
    "X-Forwarded-For by any other name is not a client's to send",
    head("GET / HTTP/1.1", X, "X_FORWARDED_FOR: 127.0.0.1", "x-forwarded_for: 127.0.0.1", "X_Forwarded-For: 127.0.0.1"),
    {
      start: "GET / HTTP/1.1\r\nHost: x\r\n",
    },
  ),
  passed(NORMALISED, "X_Forwarded_Client_Cert neither", head("GET / HTTP/1.1", X, "X_Forwarded_Client_Cert: a"), {
    start: "GET / HTTP/1.1\r\nHost: x\r\n",
  }),
  refused(NORMALISED, "content_length beside a length", `${post("Content-Length: 4", "content_length: 40")}${ADMIN}`),
  refused(NORMALISED, "Content.Length beside a coding", `${post(CHUNKED, "Content.Length: 4")}${chunk(ADMIN)}${END}`),
  refused(NORMALISED, "CONTENT!LENGTH alone", `${post("CONTENT!LENGTH: 4")}${ADMIN}`),

  refused(HIDDEN, "a second head behind a bare pair of line feeds", `GET / HTTP/1.1\r\nHost: x\r\nA: b\n\n${ADMIN}`),
  refused(
    HIDDEN,
    "a second head behind a bare pair of carriage returns",
    `GET / HTTP/1.1\r\nHost: x\r\nA: b\r\r${ADMIN}`,
  ),
  refused(HIDDEN, "a Host hidden in a fold", head("GET / HTTP/1.1", "A: b", " Host: y", X)),
  refused(HIDDEN, "a request line hidden in a target", `GET / HTTP/1.1\r HTTP/1.1\r\nHost: x\r\n\r\n`),
  refused(HIDDEN, "a field hidden behind DEL", head("GET / HTTP/1.1", X, "A: b\x7fContent-Length: 5")),
  refused(HIDDEN, "a Host hidden behind a NUL", head("GET / HTTP/1.1", X, "A: b\0Host: y")),
  passed(
    HIDDEN,
    "a line separator of Unicode is content of a value",
    head("GET / HTTP/1.1", X, "A: b\xe2\x80\xa8Content-Length: 5"),
  ),
  passed(HIDDEN, "a line end of EBCDIC is content of a value", head("GET / HTTP/1.1", X, "A: b\x85Content-Length: 5")),
  passed(
    HIDDEN,
    "line ends that lose their high bits elsewhere are content of a value",
    head("GET / HTTP/1.1", X, "A: b\xc4\x8d\xc4\x8aContent-Length: 5"),
  ),
  talk(
    HIDDEN,
    "a request behind content that is one byte longer is read from the byte after",
    clientSends(`${post("Content-Length: 3")}abc${NEXT}`),
    appGets(forwarded(`${post("Content-Length: 3")}abc`)),
    appSends(GIVEN),
    clientGets(GOT),
    nextIsAnswered("kept"),
  ),
];
