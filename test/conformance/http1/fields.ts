/** RFC 9110 §5 and §7.2, RFC 9112 §5: Host, field lines, and what the router says of the client in fields of its own. */
import { LISTENER } from "./lane.ts";
import type { Case, PassedOptions } from "./talk.ts";
import { head, passed, refused } from "./talk.ts";

const X = "Host: x";

const HOST = "RFC 9110 §7.2 Host";
const NAMES = "RFC 9110 §5.1 field names";
const ORDER = "RFC 9110 §5.2 field lines and their order";
const LIMITS = "RFC 9110 §5.4 field limits";
const VALUES = "RFC 9110 §5.5 field values";
const SYNTAX = "RFC 9112 §5 field syntax";
const FOLDING = "RFC 9112 §5.2 line folding";
const FORWARDING = "RFC 7239 who the client is";

const withHost = (host: string): string => head("GET / HTTP/1.1", `Host: ${host}`);
const withField = (...lines: readonly string[]): string => head("GET / HTTP/1.1", X, ...lines);
/** The same without some of its lines. */
const without = (...lines: readonly string[]): PassedOptions => ({
  start: `${["GET / HTTP/1.1", X, ...lines].join("\r\n")}\r\n`,
});

const fieldsOf = (count: number): string[] => Array.from({ length: count }, (_, index) => `X-${index}: ${index}`);

export const fieldCases: readonly Case[] = [
  passed(HOST, "a name with a port passes", withHost("a.example:8080")),
  passed(HOST, "a name in capitals passes as it is", withHost("A.Example")),
  passed(HOST, "a name with a final dot passes as it is", withHost("a.example.")),
  passed(HOST, "a name with an underscore passes", withHost("a_b.example")),
  passed(HOST, "a name with encoded bytes passes as it is", withHost("a%41b")),
  passed(HOST, "an IPv4 address passes", withHost("192.0.2.1:80")),
  passed(HOST, "an IPv6 address passes", withHost("[2001:db8::1]:80")),
  passed(HOST, "an IPv6 address with an IPv4 one in it passes", withHost("[::ffff:192.0.2.1]")),
  passed(HOST, "a port without digits passes as it is", withHost("a:")),
  passed(HOST, "port 65535 passes", withHost("a:65535")),
  passed(HOST, "its name has no case", head("GET / HTTP/1.1", "hOST: x"), { host: "x" }),
  passed(HOST, "blanks around its value are no part of it", head("GET / HTTP/1.1", "Host: \t x \t"), { host: "x" }),
  passed(HOST, "it need not have a blank before its value", head("GET / HTTP/1.1", "Host:x")),
  passed(HOST, "it comes first at the app, wherever the client put it", head("GET / HTTP/1.1", "A: b", X), {
    start: "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n",
  }),
  passed(HOST, "an empty one becomes the listener's address", head("GET / HTTP/1.1", "Host:"), {
    start: `GET / HTTP/1.1\r\nHost: ${LISTENER}\r\n`,
    host: LISTENER,
  }),
  passed(HOST, "HTTP/1.0 need not have one: the app gets the listener's address", head("GET / HTTP/1.0"), {
    start: `GET / HTTP/1.1\r\nHost: ${LISTENER}\r\n`,
    host: LISTENER,
    via: "1.0",
    connection: "close",
  }),
  refused(HOST, "HTTP/1.1 without one is refused", head("GET / HTTP/1.1")),
  refused(HOST, "HTTP/1.1 with other fields but without one is refused", head("GET / HTTP/1.1", "X-Forwarded-Host: x")),
  refused(HOST, "two that differ are refused", head("GET / HTTP/1.1", "Host: a", "Host: b")),
  refused(HOST, "two that agree are refused", head("GET / HTTP/1.1", X, X)),
  refused(HOST, "two with other fields between them are refused", head("GET / HTTP/1.1", X, "A: b", "host: x")),
  refused(HOST, "an empty one beside another is refused", head("GET / HTTP/1.1", "Host:", X)),
  refused(HOST, "two in HTTP/1.0 are refused", head("GET / HTTP/1.0", "Host: a", "Host: b")),
  refused(HOST, "a blank before its colon is refused", head("GET / HTTP/1.1", "Host : x")),
  refused(HOST, "one that is folded is refused", head("GET / HTTP/1.1", "Host:", " x")),
  refused(HOST, "a list of two is refused", withHost("a, b")),
  refused(HOST, "a comma without a blank is refused", withHost("a,b")),
  refused(HOST, "a blank inside is refused", withHost("a b")),
  refused(HOST, "a tab inside is refused", withHost("a\tb")),
  refused(HOST, "a user is refused", withHost("user@a")),
  refused(HOST, "a path is refused", withHost("a/b")),
  refused(HOST, "a query is refused", withHost("a?b")),
  refused(HOST, "a fragment is refused", withHost("a#b")),
  refused(HOST, "a backslash is refused", withHost("a\\b")),
  refused(HOST, "a URL is refused", withHost("http://a/")),
  refused(HOST, "quotes are refused", withHost('"a"')),
  refused(HOST, "angle brackets are refused", withHost("<a>")),
  refused(HOST, "braces are refused", withHost("{a}")),
  refused(HOST, "a bar is refused", withHost("a|b")),
  refused(HOST, "a caret is refused", withHost("a^b")),
  refused(HOST, "a NUL is refused", withHost("a\0")),
  refused(HOST, "a byte above ASCII is refused", withHost("\xe4.example")),
  refused(HOST, "half of an encoded byte is refused", withHost("a%4")),
  refused(HOST, "an encoded byte of wrong digits is refused", withHost("a%zz")),
  refused(HOST, "a port alone is refused", withHost(":80")),
  refused(HOST, "two ports are refused", withHost("a:80:81")),
  refused(HOST, "port 65536 is refused", withHost("a:65536")),
  refused(HOST, "a port with a sign is refused", withHost("a:+80")),
  refused(HOST, "a negative port is refused", withHost("a:-1")),
  refused(HOST, "a port in hexadecimal is refused", withHost("a:0x50")),
  refused(HOST, "a named port is refused", withHost("a:http")),
  refused(HOST, "an at sign behind the port is refused", withHost("a:80@b")),
  refused(HOST, "an IPv6 address without brackets is refused", withHost("2001:db8::1")),
  refused(HOST, "an IPv6 address that is not closed is refused", withHost("[::1")),
  refused(HOST, "more behind an IPv6 address is refused", withHost("[::1].example")),
  refused(HOST, "an IPv6 address with a zone is refused", withHost("[fe80::1%25eth0]")),
  refused(HOST, "an address of a future version is refused", withHost("[v1.a]")),

  passed(NAMES, "every character of a token may be in a name", withField("!#$%&'*+-.^_`|~09azAZ: a")),
  passed(NAMES, "a name of digits passes", withField("0: a")),
  passed(NAMES, "a name keeps its case", withField("x-MiXeD: a")),
  passed(NAMES, "a name with an underscore passes, if it means nothing to a proxy", withField("my_field: a")),
  passed(NAMES, "a name that only begins like a known one passes", withField("Content-Lengthy: 5", "Hostage: a")),
  passed(
    NAMES,
    "a name that only ends like a known one passes",
    withField("X-Content-Length: 5", "X-Connection: close"),
  ),
  refused(NAMES, "an empty name is refused", withField(": a")),
  refused(NAMES, "a pseudo-field of HTTP/2 is refused", withField(":method: POST")),
  refused(NAMES, "a pseudo-field of HTTP/2 for the path is refused", withField(":path: /admin")),
  refused(NAMES, "a pseudo-field of HTTP/2 for the authority is refused", head("GET / HTTP/1.1", ":authority: x")),
  refused(NAMES, "a line without a colon is refused", withField("a")),
  refused(NAMES, "a name in quotes is refused", withField('"a": b')),
  refused(NAMES, "parentheses in a name are refused", withField("a(b): c")),
  refused(NAMES, "a slash in a name is refused", withField("a/b: c")),
  refused(NAMES, "a comma in a name is refused", withField("a,b: c")),
  refused(NAMES, "a semicolon in a name is refused", withField("a;b: c")),
  refused(NAMES, "an equals sign in a name is refused", withField("a=b: c")),
  refused(NAMES, "a backslash in a name is refused", withField("a\\b: c")),
  refused(NAMES, "brackets in a name are refused", withField("a[b]: c")),
  refused(NAMES, "a blank in a name is refused", withField("a b: c")),
  refused(NAMES, "a NUL in a name is refused", withField("a\0b: c")),
  refused(NAMES, "a byte above ASCII in a name is refused", withField("\xe4: c")),
  refused(NAMES, "a Kelvin sign in UTF-8, which folds to k, is refused", withField("\xe2\x84\xaaeep: c")),
  refused(NAMES, "DEL in a name is refused", withField("a\x7f: c")),
  refused(NAMES, "a control character at the end of a name is refused", withField("a\x1f: c")),
  refused(NAMES, "Content_Length is refused: some apps take it for Content-Length", withField("Content_Length: 5")),
  refused(NAMES, "Transfer_Encoding is refused likewise", withField("Transfer_Encoding: chunked")),
  refused(NAMES, "content.length is refused: CGI makes one name of both", withField("content.length: 5")),
  refused(NAMES, "Transfer~Encoding is refused likewise", withField("Transfer~Encoding: chunked")),
  passed(
    NAMES,
    "X_Forwarded_For is dropped: some apps take it for X-Forwarded-For",
    withField("X_Forwarded_For: 6.6.6.6", "A: b"),
    without("A: b"),
  ),
  passed(NAMES, "X-Forwarded_Proto is dropped likewise", withField("X-Forwarded_Proto: https"), without()),
  passed(NAMES, "x_real_ip is dropped likewise", withField("x_real_ip: 6.6.6.6"), without()),
  passed(NAMES, "X.Forwarded.For is dropped likewise", withField("X.Forwarded.For: 6.6.6.6"), without()),
  passed(NAMES, "X_Service_Id is dropped likewise", withField("X_Service_Id: other"), without()),

  passed(ORDER, "lines of one name stay apart and in order", withField("A: 1", "B: 2", "A: 3", "a: 4")),
  passed(ORDER, "several cookies stay apart", withField("Cookie: a=b", "Cookie: c=d")),
  passed(
    ORDER,
    "a second Authorization is the app's to refuse",
    withField("Authorization: Basic eDp5", "Authorization: Basic eTp4"),
  ),
  passed(ORDER, "a second Content-Type is the app's to refuse", withField("Content-Type: a/b", "Content-Type: c/d")),
  passed(ORDER, "a second Range is the app's to refuse", withField("Range: bytes=0-1", "Range: bytes=2-3")),
  refused(
    ORDER,
    "a second X-Service-Id is refused, for it may choose the service",
    withField("X-Service-Id: a", "x-service-id: a"),
  ),

  passed(LIMITS, "a hundred fields pass", head("GET / HTTP/1.1", X, ...fieldsOf(99))),
  refused(LIMITS, "a hundred and one are too many", head("GET / HTTP/1.1", X, ...fieldsOf(100)), 431, "HEAD_TOO_LARGE"),
  refused(LIMITS, "a thousand are too many", head("GET / HTTP/1.1", X, ...fieldsOf(1000)), 431, "HEAD_TOO_LARGE"),
  passed(LIMITS, "a value of 16 KiB passes", withField(`A: ${"a".repeat(16 * 1024)}`)),
  refused(
    LIMITS,
    "a head of more than 32 KiB is too large",
    withField(`A: ${"a".repeat(33 * 1024)}`),
    431,
    "HEAD_TOO_LARGE",
  ),
  refused(
    LIMITS,
    "a head that is large by many fields is too large",
    withField(...Array.from({ length: 40 }, (_, index) => `A-${index}: ${"a".repeat(1000)}`)),
    431,
    "HEAD_TOO_LARGE",
  ),
  refused(
    LIMITS,
    "a name of more than 32 KiB is too large",
    withField(`${"a".repeat(33 * 1024)}: b`),
    431,
    "HEAD_TOO_LARGE",
  ),

  passed(VALUES, "an empty value passes", withField("A:")),
  passed(VALUES, "a value of blanks is empty, and travels as it is", withField("A: \t ")),
  passed(VALUES, "a tab inside a value passes", withField("A: b\tc")),
  passed(VALUES, "blanks around a value travel as they are", withField("A:  \tb\t ")),
  passed(VALUES, "colons, quotes and commas in a value are its own", withField('A: :b"c,d;e=f')),
  passed(
    VALUES,
    "every byte above ASCII passes",
    withField(`A: ${Array.from({ length: 128 }, (_, index) => String.fromCharCode(128 + index)).join("")}`),
  ),
  passed(VALUES, "a value that looks like a request is a value", withField("A: GET /admin HTTP/1.1")),
  passed(VALUES, "encoded line ends in a value stay encoded", withField("A: %0d%0aContent-Length: 5")),
  ...["\0", "\x01", "\x07", "\b", "\v", "\f", "\x1b", "\x1f", "\x7f"].map((byte) =>
    refused(
      VALUES,
      `byte 0x${byte.charCodeAt(0).toString(16).padStart(2, "0")} in a value is refused`,
      withField(`A: b${byte}c`),
    ),
  ),
  refused(VALUES, "a bare carriage return in a value is refused", withField("A: b\rc")),
  refused(VALUES, "a bare line feed in a value is refused", withField("A: b\nContent-Length: 5")),
  refused(VALUES, "a carriage return at the end of a value is refused", withField("A: b\r")),
  refused(VALUES, "a line feed before a carriage return is refused", withField("A: b\n\rB: c")),

  passed(SYNTAX, "a value needs no blank before it", withField("A:b")),
  refused(SYNTAX, "a blank before the colon is refused", withField("A : b")),
  refused(SYNTAX, "a tab before the colon is refused", withField("A\t: b")),
  refused(SYNTAX, "a vertical tab before the colon is refused", withField("A\v: b")),
  refused(SYNTAX, "a carriage return before the colon is refused", withField("A\r: b")),
  refused(SYNTAX, "a NUL before the colon is refused", withField("A\0: b")),
  refused(SYNTAX, "a no-break space before the colon is refused", withField("A\xa0: b")),

  refused(FOLDING, "a line folded by a blank is refused", withField("A: b", " c")),
  refused(FOLDING, "a line folded by a tab is refused", withField("A: b", "\tc")),
  refused(FOLDING, "a fold that hides a field is refused", withField("A: b", " Content-Length: 5")),
  refused(FOLDING, "a fold of blanks alone is refused", withField("A: b", "   ")),
  refused(FOLDING, "a first field line that begins with a blank is refused", head("GET / HTTP/1.1", " A: b", X)),
  refused(FOLDING, "a first field line that begins with a tab is refused", head("GET / HTTP/1.1", "\tA: b", X)),

  passed(
    FORWARDING,
    "X-Forwarded-For of a client is replaced by its address",
    withField("X-Forwarded-For: 6.6.6.6", "A: b"),
    without("A: b"),
  ),
  passed(
    FORWARDING,
    "several of them are replaced",
    withField("X-Forwarded-For: 6.6.6.6", "x-forwarded-for: 7.7.7.7"),
    without(),
  ),
  passed(
    FORWARDING,
    "X-Forwarded-Proto is replaced by what the client spoke",
    withField("X-Forwarded-Proto: https"),
    without(),
  ),
  passed(FORWARDING, "X-Forwarded-Host is replaced by Host", withField("X-Forwarded-Host: other"), without()),
  passed(FORWARDING, "Forwarded is replaced", withField("Forwarded: for=6.6.6.6;host=other;proto=https"), without()),
  passed(
    FORWARDING,
    "X-Forwarded-Port, which we do not send, is dropped",
    withField("X-Forwarded-Port: 443"),
    without(),
  ),
  passed(FORWARDING, "X-Forwarded-Prefix is dropped likewise", withField("X-Forwarded-Prefix: /admin"), without()),
  passed(FORWARDING, "X-Real-IP is dropped likewise", withField("X-Real-IP: 6.6.6.6"), without()),
  passed(
    FORWARDING,
    "the host of an absolute target is the one that is told",
    head("GET http://a/ HTTP/1.1", X, "X-Forwarded-Host: b"),
    {
      start: "GET / HTTP/1.1\r\nHost: a\r\n",
      host: "a",
    },
  ),
  ...[
    "X-Host: a",
    "X-Original-URL: /admin",
    "X-Rewrite-URL: /admin",
    "True-Client-IP: 6.6.6.6",
    "X_Original_Url: /admin",
  ].map((line) =>
    passed(FORWARDING, `${line.split(":")[0]}, which some apps believe, is dropped`, withField(line), without()),
  ),
  passed(FORWARDING, "Via of others stays before ours", withField("Via: 1.1 before")),
  passed(
    FORWARDING,
    "Proxy is dropped: CGI makes a variable of it that programs take for their proxy",
    withField("Proxy: http://other/"),
    without(),
  ),
];
