import assert from "node:assert/strict";
import { test } from "node:test";
import { requestHeadText, responseFields, trailerFields, trailerLines } from "./http2-fields.ts";
import { HttpProblem } from "./http-problem.ts";
import { parseRequestHead } from "./request-head.ts";
import { parseResponseHead } from "./response-head.ts";

const GET = [":method", "GET", ":scheme", "https", ":authority", "a.example", ":path", "/x?y"];

function headOf(fields: readonly string[], ends = true): string {
  const text = requestHeadText(fields, ends, "key");
  if (text instanceof HttpProblem) assert.fail(text.reason);
  assert.ok(!(parseRequestHead(text) instanceof HttpProblem), text);
  return text;
}

function refusal(fields: readonly string[]): string {
  const text = requestHeadText(fields, true, "key");
  return text instanceof HttpProblem ? text.reason : assert.fail(text);
}

function responseOf(text: string) {
  const head = parseResponseHead(text, "GET");
  return head instanceof HttpProblem ? assert.fail(head.reason) : head;
}

test("pseudo-fields become the request line and Host, cookies one line", () => {
  const text = headOf([...GET, "cookie", "a=1", "accept", "*/*", "cookie", "b=2"]);
  assert.equal(text, "GET /x?y HTTP/1.1\r\nhost: a.example\r\naccept: */*\r\ncookie: a=1; b=2\r\n\r\n");
});

test("a body without a length gets chunks, and so does one whose trailers are announced", () => {
  assert.match(headOf(GET, false), /\r\ntransfer-encoding: chunked\r\n\r\n$/);
  assert.doesNotMatch(headOf([...GET, "content-length", "5"], false), /transfer-encoding/);
  const announced = headOf([...GET, "content-length", "5", "trailer", "x"], false);
  assert.match(announced, /transfer-encoding: chunked/);
  assert.doesNotMatch(announced, /content-length/);
});

test("a request without a body says so where its method is meant to have one", () => {
  const asked = (method: string, ...fields: readonly string[]) => [":method", method, ...GET.slice(2), ...fields];
  for (const method of ["POST", "PUT", "PATCH"]) {
    assert.match(headOf(asked(method)), /\r\ncontent-length: 0\r\n\r\n$/);
    assert.equal(headOf(asked(method, "content-length", "0")).split("content-length").length, 2);
    assert.doesNotMatch(headOf(asked(method), false), /content-length/);
  }
  for (const method of ["GET", "HEAD", "DELETE", "OPTIONS"])
    assert.doesNotMatch(headOf(asked(method)), /content-length/);
});

test("a websocket by extended CONNECT becomes an upgrade", () => {
  const text = headOf([":method", "CONNECT", ":protocol", "websocket", ...GET.slice(2)], false);
  assert.match(text, /^GET \/x\?y HTTP\/1\.1\r\n/);
  assert.match(text, /\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: key\r\n/);
  assert.doesNotMatch(text, /transfer-encoding/);
});

test("a websocket by extended CONNECT has no body, and no key but ours", () => {
  const asked = [":method", "CONNECT", ":protocol", "websocket", ...GET.slice(2)];
  assert.match(refusal([...asked, "content-length", "5"]), /content-length/);
  const text = headOf([...asked, "x-a", "1", "sec-websocket-key", "theirs", "x-b", "2"], false);
  assert.deepEqual(text.match(/sec-websocket-key: .*/g), ["sec-websocket-key: key"]);
  assert.match(text, /x-a: 1\r\nx-b: 2\r\n\r\n$/);
});

test("Host stands in for a missing :authority, and must not differ from a given one", () => {
  assert.match(headOf([...GET.slice(0, 4), ...GET.slice(6), "host", "b.example"]), /\r\nhost: b\.example\r\n/);
  headOf([...GET, "host", "A.example"]);
  assert.match(refusal([...GET, "host", "b.example"]), /differs from :authority/);
  assert.match(refusal([...GET.slice(0, 4), ...GET.slice(6)]), /neither/);
});

test("whatever could divide a line or change a connection is refused", () => {
  for (const [name, value, reason] of [
    ["x", "a\r\nb: c", /control character/],
    ["x", "a\0", /control character/],
    ["x", "\u0100", /control character/],
    ["x: y", "z", /field name/],
    ["X", "z", /field name/],
    ["transfer-encoding", "chunked", /does not have/],
    ["connection", "x", /does not have/],
    ["te", "gzip", /other than trailers/],
    [":path", "/again", /after a field|second/],
  ] as const) {
    assert.match(refusal([...GET, name, value]), reason);
  }
  assert.match(refusal([":method", "CONNECT", ":authority", "x:1"]), /forward proxy/);
  assert.match(refusal([...GET.slice(0, 6), ":path", "http://x/"]), /first slash/);
  assert.match(refusal([":method", "GET\r\n", ...GET.slice(2)]), /control character/);
});

test("an app's head loses what speaks of its connection and keeps the rest in order", () => {
  const head = responseOf(
    "HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nTransfer-Encoding: chunked\r\nConnection: x-hop\r\nX-Hop: 1\r\nSet-Cookie:  b \r\n\r\n",
  );
  assert.deepEqual(responseFields(head, "edge"), [
    ":status",
    "200",
    "set-cookie",
    "a",
    "set-cookie",
    "b",
    "via",
    "1.1 edge",
  ]);
  const empty = responseOf("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\nX: y\r\n\r\n");
  assert.deepEqual(responseFields(empty, ""), [":status", "204", "x", "y"]);
  const sized = responseOf("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n");
  assert.deepEqual(responseFields(sized, ""), [":status", "200", "content-length", "3"]);
});

test("a 101 is a 200 to a websocket by extended CONNECT", () => {
  const head = responseOf(
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\nSec-WebSocket-Protocol: chat\r\n\r\n",
  );
  assert.deepEqual(responseFields(head, ""), [":status", "200", "sec-websocket-protocol", "chat"]);
});

test("trailers pass both ways, without those that act on what has been acted on", () => {
  assert.equal(trailerLines(["grpc-status", "0", "grpc-message", "ok"]), "grpc-status: 0\r\ngrpc-message: ok\r\n");
  assert.ok(trailerLines(["content-length", "1"]) instanceof HttpProblem);
  assert.ok(trailerLines(["x", "a\r\nb: c"]) instanceof HttpProblem);
  assert.deepEqual({ ...trailerFields("Grpc-Status: 0\r\nX: a\r\nx: b\r\n") }, { "grpc-status": ["0"], x: ["a", "b"] });
});

test("blanks at the ends of a value are left out, in fields and trailers, and those of pseudo-fields are refused", () => {
  const text = headOf([
    ...GET,
    "authorization",
    " Bearer x ",
    "x-empty",
    " \t",
    "x-inner",
    "a \t b",
    "te",
    " trailers",
  ]);
  assert.match(text, /\r\nauthorization: Bearer x\r\nx-empty: \r\nx-inner: a \t b\r\nte: trailers\r\n/);
  assert.equal(trailerLines(["x-sum", "\t7 "]), "x-sum: 7\r\n");
  assert.notEqual(refusal([...GET.slice(0, 7), " /x"]), "");
});

test("many blanks in the middle of a value cost no more than other bytes", () => {
  const value = `x${" ".repeat(60_000)}y`;
  const begunAt = performance.now();
  assert.ok(headOf([...GET, "x-wide", value]).includes(value));
  const head = responseOf(`HTTP/1.1 200 OK\r\nx-wide: ${value}\r\n\r\n`);
  assert.deepEqual(responseFields(head, "").slice(-2), ["x-wide", value]);
  assert.equal(head.header("x-wide"), value);
  assert.deepEqual([...head.fields()], [["x-wide", value]]);
  assert.deepEqual(trailerFields(`x-wide: ${value}\r\n`)["x-wide"], [value]);
  // With an expression each of these took 20 s.
  assert.ok(performance.now() - begunAt < 2_000);
});
