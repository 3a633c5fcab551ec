import assert from "node:assert/strict";
import { test } from "node:test";
import { type ErrorCode, ERRORS, isErrorCode } from "../base/errors.ts";
import { answeredStatus, errorContent, errorResponse, prefersHtml } from "./error-response.ts";
import type { Http1ErrorAnswer } from "./error-response.ts";
import { HttpProblem } from "./http-problem.ts";
import { reasonPhrase } from "./reason-phrase.ts";
import { parseResponseHead } from "./response-head.ts";

const ANSWER: Http1ErrorAnswer = {
  code: "NO_OFFER",
  message: 'no offer for service "web" within 5000 ms',
  method: "GET",
  accept: "*/*",
  contentType: "",
  closeConnection: false,
  versionMinor: 1,
};
const BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";

test("the answer names code, status, who failed and why", () => {
  const { head, body } = split(errorResponse(ANSWER));
  assert.equal(head[0], "HTTP/1.1 503 Service Unavailable");
  assert.ok(head.includes("X-Polarity-Error: NO_OFFER"));
  assert.ok(head.includes("Cache-Control: no-store"));
  const fields = JSON.parse(body) as Record<string, unknown>;
  assert.equal(fields["status"], 503);
  assert.equal(fields["code"], "NO_OFFER");
  assert.equal(fields["fault"], "connector");
  assert.equal(fields["message"], ANSWER.message);
});

test("every code has an answer that our own parser accepts, with a true length", () => {
  for (const code of Object.keys(ERRORS)) {
    assert.ok(isErrorCode(code));
    for (const accept of ["*/*", BROWSER]) {
      const text = errorResponse({ ...ANSWER, code, accept, message: "caf\u00e9 \ud83d\ude80 <b>" });
      const end = text.indexOf("\r\n\r\n") + 4;
      const head = parseResponseHead(text.slice(0, end), "GET");
      if (head instanceof HttpProblem) throw head.toError();
      assert.equal(head.status, ERRORS[code].status);
      assert.notEqual(reasonPhrase(head.status), "Error", `status ${head.status} has a phrase`);
      assert.equal(head.framing, "length");
      assert.equal(head.bodyLength, Buffer.byteLength(text.slice(end), "utf8"));
      assert.equal(head.bodyLength, Buffer.byteLength(text.slice(end), "latin1"));
    }
  }
});

test("HEAD is answered with the head alone, and the length that GET would have had", () => {
  const get = split(errorResponse(ANSWER));
  const head = split(errorResponse({ ...ANSWER, method: "HEAD" }));
  assert.deepEqual(head.head, get.head);
  assert.equal(head.body, "");
});

test("nothing in a message reaches the head, and no markup the page", () => {
  const message = 'x\r\nSet-Cookie: a=b\r\n\r\n<script>alert("1")</script>&amp;\u2028\u0000\u0085';
  for (const accept of ["*/*", BROWSER]) {
    const { head, body } = split(errorResponse({ ...ANSWER, accept, message }));
    assert.ok(!head.some((line) => line.startsWith("Set-Cookie")));
    assert.ok(/^[\x20-\x7e\n]*$/.test(body), "the body is plain ASCII");
    if (accept === BROWSER) {
      assert.ok(!body.includes("<script") && !body.includes('"1"') && body.includes("&#38;amp;"));
    } else {
      assert.match((JSON.parse(body) as { message: string }).message, /^x Set-Cookie: a=b <script>/);
    }
  }
});

test("text beyond ASCII is the same to who reads it", () => {
  const message = "caf\u00e9 \ud83d\ude80";
  const json = split(errorResponse({ ...ANSWER, message })).body;
  assert.equal((JSON.parse(json) as { message: string }).message, message);
  const html = split(errorResponse({ ...ANSWER, message, accept: BROWSER })).body;
  assert.ok(html.includes("caf&#233; &#128640;"));
});

test("a message without end is cut", () => {
  assert.ok(errorResponse({ ...ANSWER, message: "x".repeat(100_000) }).length < 2000);
  assert.ok(errorResponse({ ...ANSWER, accept: "text/html", message: "\u{1f680}".repeat(100_000) }).length < 8000);
});

test("429 and 503 say when to come back; others only when told", () => {
  const retry = (answer: Partial<Http1ErrorAnswer>) =>
    split(errorResponse({ ...ANSWER, ...answer })).head.find((line) => line.startsWith("Retry-After"));
  assert.equal(retry({}), "Retry-After: 1");
  assert.equal(retry({ retryAfterSeconds: 4.2 }), "Retry-After: 5");
  assert.equal(retry({ code: "BAD_REQUEST" }), undefined);
});

test("the connection is described for the client's version", () => {
  const connection = (answer: Partial<Http1ErrorAnswer>) =>
    split(errorResponse({ ...ANSWER, ...answer })).head.find((line) => line.startsWith("Connection"));
  assert.equal(connection({}), undefined);
  assert.equal(connection({ versionMinor: 0 }), "Connection: keep-alive");
  assert.equal(connection({ versionMinor: 0, closeConnection: true }), "Connection: close");
  assert.equal(connection({ closeConnection: true }), "Connection: close");
});

test("a request id is repeated, unless it could break the head", () => {
  assert.ok(errorResponse({ ...ANSWER, requestId: "r-1" }).includes("\r\nX-Request-Id: r-1\r\n"));
  assert.ok(!errorResponse({ ...ANSWER, requestId: "r\r\nX: y" }).includes("X-Request-Id"));
});

const accepts: readonly (readonly [accept: string, html: boolean])[] = [
  ["", false],
  ["*/*", false],
  [BROWSER, true],
  ["text/html", true],
  ["TEXT/HTML", true],
  ["text/*", true],
  ["application/json", false],
  ["application/json, text/html", false],
  ["text/html, application/json", true],
  ["text/html;q=0.5, application/json", false],
  ["text/html;q=0.9, */*;q=0.1", true],
  ["text/html; q=0, */*", false],
  ["text/html;level=1;q=0.3, application/*;q=0.2", true],
  ["image/png", false],
  [";;,,q=", false],
  ["text/html;q=x", false],
  ["text/html;q=0.001", true],
  ["text/html;q=1.5", false],
  ["text/html;Q=0.4, application/json;q=0.3", true],
  ["text/html;q=0.4, application/json;q=0.5", false],
  ["*/*, text/html;q=0", false],
  ["text/*;q=0.9, application/json;q=0.8", true],
  ["text/html;q=0.8, text/*, application/json;q=0.9", false],
  ["text/plain", false],
];

for (const [accept, html] of accepts) {
  test(`Accept ${JSON.stringify(accept)} gets ${html ? "HTML" : "JSON"}`, () =>
    assert.equal(prefersHtml(accept), html));
}

const failures: readonly (readonly [code: ErrorCode, status: number, who: RegExp, retryAfter: boolean])[] = [
  ["BAD_REQUEST", 400, /client/i, false],
  ["NO_ROUTE", 404, /client/i, false],
  ["SLOW_HEAD", 408, /client/i, false],
  ["SLOW_BODY", 408, /client/i, false],
  ["BODY_TOO_LARGE", 413, /client/i, false],
  ["TARGET_TOO_LONG", 414, /client/i, false],
  ["HOST_NOT_SERVED", 421, /client/i, false],
  ["HEAD_TOO_LARGE", 431, /client/i, false],
  ["TARGET_UNREACHABLE", 502, /app/i, false],
  ["TARGET_FAILED", 502, /app/i, false],
  ["TARGET_PROTOCOL", 502, /app/i, false],
  ["LINK_LOST", 502, /network/i, false],
  ["NO_OFFER", 503, /connectors/i, true],
  ["NO_CONNECTOR", 503, /connectors/i, true],
  ["OVERLOADED", 503, /router/i, true],
  ["NODE_STOPPED", 503, /router/i, true],
  ["TARGET_TIMEOUT", 504, /app/i, false],
];

for (const [code, status, who, retryAfter] of failures) {
  test(`${code} is ${status}, names who failed${retryAfter ? " and when to come back" : ""}`, () => {
    const json = split(errorResponse({ ...ANSWER, code }));
    const html = split(errorResponse({ ...ANSWER, code, accept: "text/html" }));
    for (const { head } of [json, html]) {
      assert.ok(head[0]?.startsWith(`HTTP/1.1 ${status} `));
      assert.ok(head.includes(`X-Polarity-Error: ${code}`));
      assert.equal(head.includes("Retry-After: 1"), retryAfter);
    }
    assert.match((JSON.parse(json.body) as { failed: string }).failed, who);
    assert.match(html.body, who);
    assert.ok(html.body.includes(code) && html.body.includes(String(status)));
  });
}

test("a page loads nothing, runs nothing, and tells no version", () => {
  const { head, body } = split(errorResponse({ ...ANSWER, accept: BROWSER, requestId: "r<1>" }));
  assert.ok(!/<script|<img|<link|url\(|@import|href|src=| on\w+=/i.test(body));
  assert.ok(!/\d+\.\d+\.\d+/.test(body) && !/node/i.test(head.join("\n")));
  assert.ok(body.includes("r&#60;1&#62;"));
  assert.ok(body.length < 4096, `${body.length} bytes`);
});

const grpc: readonly (readonly [contentType: string, answered: string | undefined])[] = [
  ["application/grpc", "application/grpc"],
  ["application/grpc+proto", "application/grpc+proto"],
  ["Application/GRPC+json; charset=utf-8", "application/grpc+json"],
  ["application/grpc-web", "application/grpc-web"],
  ["application/grpc-web-text+proto", "application/grpc-web-text+proto"],
  ["application/grpcx", undefined],
  ["application/grpc+\r\nX: y", undefined],
  ["application/json", undefined],
];

for (const [contentType, answered] of grpc) {
  test(`a request of ${JSON.stringify(contentType)} is ${answered === undefined ? "not " : ""}gRPC's`, () => {
    const { status, fields, body } = errorContent({
      ...ANSWER,
      contentType,
      accept: "text/html",
      message: "50% caf\u00e9",
    });
    assert.equal(status, answeredStatus("NO_OFFER", contentType));
    const values = new Map(fields);
    if (answered === undefined) {
      assert.equal(status, 503);
      assert.equal(values.get("grpc-status"), undefined);
      return;
    }
    assert.equal(status, 200);
    assert.equal(body, "");
    assert.equal(values.get("Content-Length"), "0");
    assert.equal(values.get("Content-Type"), answered);
    assert.equal(values.get("grpc-status"), "14");
    assert.equal(values.get("grpc-message"), "50%25 caf%C3%A9");
    assert.equal(values.get("X-Polarity-Error"), "NO_OFFER");
  });
}

test("every error has a status for gRPC clients that is not success", () => {
  const statuses = new Map<string, string>();
  for (const code of Object.keys(ERRORS)) {
    assert.ok(isErrorCode(code));
    const { fields } = errorContent({ ...ANSWER, code, contentType: "application/grpc" });
    statuses.set(code, new Map(fields).get("grpc-status") ?? "");
  }
  for (const [code, status] of statuses) assert.ok(Number(status) > 0 && Number(status) <= 16, code);
  assert.equal(statuses.get("NO_ROUTE"), "12");
  assert.equal(statuses.get("TARGET_TIMEOUT"), "4");
  assert.equal(statuses.get("BODY_TOO_LARGE"), "8");
  assert.equal(statuses.get("CLIENT_GONE"), "1");
  assert.equal(statuses.get("BAD_REQUEST"), "13");
});

function split(text: string): { head: string[]; body: string } {
  const end = text.indexOf("\r\n\r\n");
  return { head: text.slice(0, end).split("\r\n"), body: text.slice(end + 4) };
}
