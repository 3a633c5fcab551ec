import assert from "node:assert/strict";
import { test } from "node:test";
import { fooFigures, fooMetrics, wantsPrometheus } from "./foo-endpoints.ts";

for (const [accept, prometheus] of [
  ["", false],
  ["*/*", false],
  ["application/json", false],
  ["text/html,application/xhtml+xml,*/*;q=0.8", false],
  ["text/plain", true],
  ["Text/Plain; version=0.0.4", true],
  ["application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", true],
  ["application/json;q=0.9, text/plain;q=0.5", false],
  ["application/json;q=0.5, text/plain", true],
  ["text/plain;q=0", false],
] as const) {
  test(`Accept: ${accept} gets ${prometheus ? "Prometheus text" : "JSON"}`, () => {
    assert.equal(wantsPrometheus(accept), prometheus);
  });
}

test("the figures are the original's eight, in its order, whatever else is known", () => {
  const figures = fooFigures({
    answer_ms: { p50: 1 },
    other_lines: 4,
    msg_nak: 2,
    msg_total: 5,
    request_rate_10s: 0.3,
  });
  assert.equal(
    JSON.stringify(figures),
    '{"msg_total":5,"msg_req":0,"msg_ack":0,"msg_nak":2,"request_rate_1s":0,"request_rate_10s":0.3,"response_rate_1s":0,"response_rate_10s":0}',
  );
});

test("Prometheus text has a type for each name, and durations in seconds", () => {
  const text = fooMetrics({
    msg_total: 5,
    other_lines: 4,
    answer_ms: { count: 2, sum: 24, p50: 8, p90: null, p99: 16 },
  });
  assert.match(text, /^# TYPE foo_msg_total counter\nfoo_msg_total 5$/m);
  assert.match(text, /^foo_other_lines_total 4$/m);
  assert.match(text, /^foo_answer_seconds\{quantile="0.5"\} 0.008\nfoo_answer_seconds\{quantile="0.99"\} 0.016$/m);
  assert.match(text, /^foo_answer_seconds_sum 0.024\nfoo_answer_seconds_count 2\n$/m);
});
