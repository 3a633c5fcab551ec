/** What one head costs: collect, parse, rewrite and write it into a buffer, in µs. Run: node bench/http-heads.ts */
import { HeadCollector } from "../src/http/head-collector.ts";
import { DEFAULT_HEAD_BYTES_MAX } from "../src/http/head-limits.ts";
import { HttpProblem } from "../src/http/http-problem.ts";
import { forwardedEnding, forwardedStart, ForwardingContext } from "../src/http/request-forwarding.ts";
import { parseRequestHead } from "../src/http/request-head.ts";
import { responseEnding, responseStart } from "../src/http/response-forwarding.ts";
import { parseResponseHead } from "../src/http/response-head.ts";

const ROUNDS = 5;
const HEADS_PER_ROUND = 200_000;

const wrk = lines("GET /bench/small HTTP/1.1", "Host: 127.0.0.1:8001", "User-Agent: wrk/4.2.0", "Accept: */*");
const browser = lines(
  "GET /dashboard/services?window=10s&sort=rate HTTP/1.1",
  "Host: app.example.com",
  "Connection: keep-alive",
  'sec-ch-ua: "Chromium";v="140", "Not=A?Brand";v="24", "Google Chrome";v="140"',
  "sec-ch-ua-mobile: ?0",
  'sec-ch-ua-platform: "Linux"',
  "Upgrade-Insecure-Requests: 1",
  "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
  "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
  "Sec-Fetch-Site: same-origin",
  "Sec-Fetch-Mode: navigate",
  "Referer: https://app.example.com/dashboard",
  "Accept-Encoding: gzip, deflate, br, zstd",
  "Accept-Language: en-GB,en;q=0.9,de;q=0.8",
  "Cookie: session=4f0a9b7c2d1e8f3a6b5c4d3e2f1a0b9c; theme=dark",
);
const answer = lines(
  "HTTP/1.1 200 OK",
  "Content-Type: text/plain; charset=utf-8",
  "Date: Sat, 21 Nov 2026 04:00:00 GMT",
  "Connection: keep-alive",
  "Keep-Alive: timeout=5",
  "Content-Length: 13",
);

const context = new ForwardingContext({
  via: "edge-1",
  instance: "1a2b3c",
  clientAddress: "127.0.0.1",
  clientPort: 0,
  proto: "http",
  trusted: false,
  defaultHost: "127.0.0.1:8001",
  port: 8001,
});
const arena = Buffer.alloc(64 * 1024);
const requests = new HeadCollector(DEFAULT_HEAD_BYTES_MAX);
const responses = new HeadCollector(DEFAULT_HEAD_BYTES_MAX, "response");
const forwarding = { via: "edge-1", clientVersionMinor: 1, closeConnection: false, requestId: "" } as const;

measure("wrk request: collect", wrk, collect);
measure("wrk request: collect, parse", wrk, parse);
measure("wrk request: collect, parse, rewrite, write", wrk, forward);
measure("browser request: collect", browser, collect);
measure("browser request: collect, parse", browser, parse);
measure("browser request: collect, parse, rewrite, write", browser, forward);
measure("response: collect, parse, rewrite, write", answer, answerForward);

function collect(chunk: Buffer): number {
  requests.reset();
  requests.push(chunk);
  return requests.text.length;
}

function parse(chunk: Buffer): number {
  requests.reset();
  requests.push(chunk);
  const head = parseRequestHead(requests.text);
  if (head instanceof HttpProblem) throw head.toError();
  return head.path.length;
}

function forward(chunk: Buffer): number {
  requests.reset();
  requests.push(chunk);
  const head = parseRequestHead(requests.text);
  if (head instanceof HttpProblem) throw head.toError();
  const start = arena.write(forwardedStart(head, context), 0, "latin1");
  return start + arena.write(forwardedEnding(head, context, "web"), start, "latin1");
}

function answerForward(chunk: Buffer): number {
  responses.reset();
  responses.push(chunk);
  const head = parseResponseHead(responses.text, "GET");
  if (head instanceof HttpProblem) throw head.toError();
  const start = arena.write(responseStart(head, forwarding), 0, "latin1");
  return start + arena.write(responseEnding(head, forwarding), start, "latin1");
}

function measure(name: string, chunk: Buffer, work: (chunk: Buffer) => number): void {
  let best = Number.POSITIVE_INFINITY;
  let bytes = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    for (let i = 0; i < HEADS_PER_ROUND; i++) bytes += work(chunk);
    best = Math.min(best, performance.now() - start);
  }
  if (bytes === 0) throw new Error(`${name}: nothing was done`);
  console.log(`${((best * 1000) / HEADS_PER_ROUND).toFixed(3).padStart(7)} µs  ${name} (${chunk.length} bytes)`);
}

function lines(...text: string[]): Buffer {
  return Buffer.from(`${text.join("\r\n")}\r\n\r\n`, "latin1");
}
