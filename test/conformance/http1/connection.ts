/** RFC 9110 §7.6, §7.8 and §10.1, RFC 9112 §9: what concerns one connection only, how long it lives, and what it becomes. */
import type { Case, PassedOptions } from "./talk.ts";
import {
  appEnds,
  appGets,
  appSeesClose,
  appSends,
  clientClosesItsSide,
  clientGets,
  clientIsRefused,
  clientSeesEnd,
  clientSeesReset,
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

const X = "Host: x";

const OPTIONS = "RFC 9110 §7.6.1 Connection";
const TE = "RFC 9110 §10.1.4 TE and Trailer";
const PERSISTENCE = "RFC 9112 §9.3 persistence";
const PIPELINING = "RFC 9112 §9.3.2 pipelining";
const TEARDOWN = "RFC 9112 §9.6 tear-down";

const get = (...lines: readonly string[]): string => head("GET / HTTP/1.1", X, ...lines);
const lines = (...rest: readonly string[]): PassedOptions => ({
  start: `${["GET / HTTP/1.1", X, ...rest].join("\r\n")}\r\n`,
});
const closing = { connection: "close" } as const;
const GOT_CLOSE = GOT.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");

const POST = head("POST / HTTP/1.1", X, "Content-Length: 10");
const CHUNKED = head("POST / HTTP/1.1", X, "Transfer-Encoding: chunked");

export const connectionCases: readonly Case[] = [
  passed(
    OPTIONS,
    "a field that it names does not travel on",
    get("Connection: x-hop", "X-Hop: 1", "A: b"),
    lines("A: b"),
  ),
  passed(
    OPTIONS,
    "it names in any case, and in any place",
    get("X-HOP: 1", "A: b", "connection: X-Hop"),
    lines("A: b"),
  ),
  passed(
    OPTIONS,
    "it may name several, in several lines",
    get("Connection: a, b", "A: 1", "B: 2", "C: 3", "Connection: c"),
    lines(),
  ),
  passed(OPTIONS, "each line of a name goes", get("Connection: a", "A: 1", "B: 2", "A: 3"), lines("B: 2")),
  passed(OPTIONS, "it may name what is not there", get("Connection: nothing"), lines()),
  passed(OPTIONS, "empty elements of it mean nothing", get("Connection: , a,,", "A: 1"), lines()),
  passed(OPTIONS, "keep-alive means nothing to the app", get("Connection: keep-alive"), lines()),
  passed(OPTIONS, "Keep-Alive does not travel on", get("Keep-Alive: timeout=5", "A: b"), lines("A: b")),
  passed(
    OPTIONS,
    "Proxy-Connection does not travel on, nor count",
    get("Proxy-Connection: close", "A: b"),
    lines("A: b"),
  ),
  passed(
    OPTIONS,
    "Proxy-Authorization does not travel on",
    get("Proxy-Authorization: Basic eDp5", "A: b"),
    lines("A: b"),
  ),
  passed(OPTIONS, "close ends the connection, and is not told to the app", get("Connection: close"), {
    ...lines(),
    ...closing,
  }),
  passed(OPTIONS, "close counts in any case and beside others", get("Connection: a, CLOSE", "A: 1"), {
    ...lines(),
    ...closing,
  }),
  passed(OPTIONS, "close counts more than keep-alive", get("Connection: keep-alive, close"), {
    ...lines(),
    ...closing,
  }),
  passed(OPTIONS, "close in a second line counts", get("Connection: keep-alive", "Connection: close"), {
    ...lines(),
    ...closing,
  }),
  passed(OPTIONS, "a name that only contains close is not close", get("Connection: not-close"), lines()),
  passed(OPTIONS, "Host cannot be taken away by naming it", get("Connection: host"), lines()),
  passed(
    OPTIONS,
    "Content-Length cannot be taken away",
    `${get("Connection: content-length", "Content-Length: 5")}hello`,
    {
      ...lines("Content-Length: 5"),
    },
  ),
  passed(
    OPTIONS,
    "Content-Length cannot be taken away by close either",
    `${get("Content-Length: 5", "Connection: close, Content-Length")}hello`,
    {
      ...lines("Content-Length: 5"),
      ...closing,
    },
  ),
  passed(
    OPTIONS,
    "Transfer-Encoding cannot be taken away",
    `${get("Connection: transfer-encoding", "Transfer-Encoding: chunked")}0\r\n\r\n`,
    {
      ...lines("Transfer-Encoding: chunked"),
    },
  ),
  passed(OPTIONS, "Trailer cannot be taken away", get("Connection: trailer", "Trailer: a"), lines("Trailer: a")),
  passed(
    OPTIONS,
    "Authorization cannot be taken away",
    get("Connection: authorization", "Authorization: a"),
    lines("Authorization: a"),
  ),
  passed(OPTIONS, "Cookie cannot be taken away", get("Connection: cookie", "Cookie: a=b"), lines("Cookie: a=b")),
  passed(
    OPTIONS,
    "Content-Type cannot be taken away",
    get("Connection: content-type", "Content-Type: a/b"),
    lines("Content-Type: a/b"),
  ),
  passed(
    OPTIONS,
    "X-Forwarded-For, as we add it, cannot be taken away",
    get("Connection: x-forwarded-for, x-forwarded-host, forwarded"),
    lines(),
  ),
  passed(
    OPTIONS,
    "Via, as we add it, cannot be taken away",
    get("Connection: via", "Via: 1.0 before"),
    lines("Via: 1.0 before"),
  ),
  passed(
    OPTIONS,
    "X-Request-Id cannot be taken away",
    get("Connection: x-request-id", "X-Request-Id: a"),
    lines("X-Request-Id: a"),
  ),
  refused(OPTIONS, "an option that is no token is refused", get("Connection: clo se")),
  refused(OPTIONS, "an option in quotes is refused", get('Connection: "close"')),
  refused(OPTIONS, "an option with a parameter is refused", get("Connection: close;a=b")),
  refused(OPTIONS, "options between semicolons are refused", get("Connection: keep-alive; close")),
  refused(OPTIONS, "an option with a colon is refused", get("Connection: close: a")),
  refused(OPTIONS, "an option with a byte above ASCII is refused", get("Connection: close\xa0")),

  passed(
    TE,
    "trailers travel on, in a field of ours",
    get("TE: trailers", "A: b"),
    lines("A: b", "Connection: TE", "TE: trailers"),
  ),
  passed(
    TE,
    "trailers count in any case",
    get("Connection: TE", "TE: TRAILERS"),
    lines("Connection: TE", "TE: trailers"),
  ),
  passed(
    TE,
    "codings beside trailers do not travel on",
    get("TE: gzip, trailers, deflate;q=0.5"),
    lines("Connection: TE", "TE: trailers"),
  ),
  passed(TE, "codings alone do not travel on", get("TE: gzip"), lines()),
  passed(TE, "an empty one does not travel on", get("TE:"), lines()),
  passed(TE, "trailers with a quality are not trailers", get("TE: trailers;q=0"), lines()),
  passed(TE, "chunked does not travel on", get("TE: chunked"), lines()),
  passed(TE, "two lines are one list", get("TE: gzip", "TE: trailers"), lines("Connection: TE", "TE: trailers")),

  passed(PERSISTENCE, "HTTP/1.0 closes by itself", head("GET /a HTTP/1.0", X), {
    start: "GET /a HTTP/1.1\r\nHost: x\r\n",
    via: "1.0",
    ...closing,
  }),
  passed(
    PERSISTENCE,
    "HTTP/1.0 with keep-alive is kept, and told so",
    head("GET / HTTP/1.0", X, "Connection: keep-alive"),
    { ...lines(), via: "1.0", connection: "keep-alive" },
  ),
  passed(
    PERSISTENCE,
    "HTTP/1.0 with keep-alive and close is closed",
    head("GET / HTTP/1.0", X, "Connection: keep-alive, close"),
    { ...lines(), via: "1.0", ...closing },
  ),
  passed(
    PERSISTENCE,
    "HTTP/1.0 with Proxy-Connection is closed all the same",
    head("GET / HTTP/1.0", X, "Proxy-Connection: keep-alive"),
    { ...lines(), via: "1.0", ...closing },
  ),
  passed(
    PERSISTENCE,
    "HTTP/1.0 with Keep-Alive alone is closed all the same",
    head("GET / HTTP/1.0", X, "Keep-Alive: timeout=5"),
    { ...lines(), via: "1.0", ...closing },
  ),

  talk(
    PIPELINING,
    "three requests in one piece are answered in their order",
    clientSends(get("A: 1") + get("A: 2") + get("A: 3")),
    ...["1", "2", "3"].flatMap((each) => [appGets(forwarded(get(`A: ${each}`))), appSends(GIVEN), clientGets(GOT)]),
  ),
  talk(
    PIPELINING,
    "the next request waits until the first is answered",
    clientSends(get("A: 1") + NEXT),
    appGets(forwarded(get("A: 1"))),
    appSends("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha"),
    clientGets("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nVia: 1.1 edge\r\n\r\nha"),
    appSends("lf"),
    clientGets("lf"),
    nextIsAnswered("kept"),
  ),
  talk(
    PIPELINING,
    "bodies and requests take turns",
    clientSends(`${POST}0123456789${CHUNKED}1\r\na\r\n0\r\n\r\n${NEXT}`),
    appGets(forwarded(`${POST}0123456789`)),
    appSends(GIVEN),
    clientGets(GOT),
    appGets(forwarded(`${CHUNKED}1\r\na\r\n0\r\n\r\n`)),
    appSends(GIVEN),
    clientGets(GOT),
    nextIsAnswered("kept"),
  ),
  talk(
    PIPELINING,
    "an empty line between two requests is skipped",
    clientSends(`${get()}\r\n${NEXT}`),
    appGets(forwarded(get())),
    appSends(GIVEN),
    clientGets(GOT),
    nextIsAnswered("kept"),
  ),
  talk(
    PIPELINING,
    "a request behind a refused one is not read",
    clientSends(`${get("A : b")}${NEXT}${NEXT}`),
    clientIsRefused(400, "BAD_REQUEST"),
    clientSeesEnd,
  ),
  talk(
    PIPELINING,
    "requests before a refused one are answered first",
    clientSends(`${NEXT}${NEXT}${get("A : b")}${NEXT}`),
    nextIsAnswered(),
    nextIsAnswered("kept"),
    clientIsRefused(400, "BAD_REQUEST"),
    clientSeesEnd,
  ),
  talk(
    PIPELINING,
    "after a broken answer nothing more is answered",
    clientSends(get() + NEXT),
    appGets(forwarded(get())),
    appSends("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nha"),
    clientGets("HTTP/1.1 200 OK\r\nContent-Length: 9\r\nVia: 1.1 edge\r\n\r\nha"),
    appEnds,
    clientSeesReset,
  ),

  talk(
    TEARDOWN,
    "a request behind one with Connection: close is not read",
    clientSends(get("Connection: close") + NEXT),
    appGets(forwarded(get())),
    appSends(GIVEN),
    clientGets(GOT_CLOSE),
    clientSeesEnd,
  ),
  talk(
    TEARDOWN,
    "a request behind one of HTTP/1.0 is not read",
    clientSends(head("GET / HTTP/1.0", X) + NEXT),
    appGets(forwarded(get(), { via: "1.0" })),
    appSends(GIVEN),
    clientGets(GOT_CLOSE),
    clientSeesEnd,
  ),
  talk(
    TEARDOWN,
    "a client that closes its side behind its requests gets every answer",
    clientSends(get() + NEXT),
    clientClosesItsSide,
    appGets(forwarded(get())),
    appSends(GIVEN),
    clientGets(GOT),
    nextIsAnswered("kept"),
    clientSeesEnd,
  ),
  talk(
    TEARDOWN,
    "an app that says close has its connection closed, and the client's goes on",
    clientSends(get()),
    appGets(forwarded(get())),
    appSends(GIVEN.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")),
    clientGets(GOT),
    appSeesClose,
    nextIsServed("new"),
  ),
  talk(
    TEARDOWN,
    "an app that closes a kept connection is asked again on another",
    clientSends(get()),
    appGets(forwarded(get())),
    appSends(GIVEN),
    clientGets(GOT),
    appEnds,
    nextIsServed("new"),
  ),
];
