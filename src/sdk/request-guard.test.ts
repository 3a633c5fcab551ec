import assert from "node:assert/strict";
import { test } from "node:test";
import { RequestGuard } from "./request-guard.ts";

const HEAD = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
const BODY = "2\r\nok\r\n0\r\n";

/** What passes of a text that comes a byte at a time, and why the rest may not. */
function through(text: string): { passed: string; code: string | undefined } {
  const guard = new RequestGuard(() => false);
  let passed = "";
  for (const byte of Buffer.from(text, "latin1")) {
    const problem = guard.push(Buffer.of(byte), (part) => (passed += part.toString("latin1")));
    if (problem !== undefined) return { passed, code: problem.code };
  }
  return { passed, code: undefined };
}

test("a handler's server gets trailers a whole line at a time, and nothing of one that is none", () => {
  const whole = `${HEAD}${BODY}A: b\r\n\r\n`;
  assert.deepEqual(through(whole), { passed: whole, code: undefined });
  assert.deepEqual(through(whole.slice(0, -5)), { passed: HEAD + BODY, code: undefined });
  for (const wrong of ["\rGET /smug HTTP/1.0\r\r", "A: \0", "Content-Length: 1\r\n", "A : b"]) {
    assert.deepEqual(through(`${HEAD}${BODY}${wrong}`), { passed: HEAD + BODY, code: "BAD_REQUEST" }, wrong);
  }
});
