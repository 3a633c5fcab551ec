// Invariant: a response that we accept, Node's own parser accepts with the same body; however the bytes are cut, we read the same.
import assert from "node:assert/strict";
import { request } from "node:http";
import { Duplex } from "node:stream";
import { test } from "node:test";
import { asChunk, BodyReader, ChunkedDecoder, lastChunk } from "../../src/http/body-framing.ts";
import { HeadCollector } from "../../src/http/head-collector.ts";
import { HttpProblem } from "../../src/http/http-problem.ts";
import { needsChunks, responseEnding, responseStart } from "../../src/http/response-forwarding.ts";
import { parseResponseHead } from "../../src/http/response-head.ts";
import type { ResponseHead } from "../../src/http/response-head.ts";
import { chunkedBody, cut, generator, mutated } from "./mutation.ts";
import type { Random } from "./mutation.ts";

const SEED = Number(process.env["POLARITY_FUZZ_SEED"] ?? 20_261_122);
const INPUTS = 6000;
const BATCH = 100;
const METHODS = ["GET", "GET", "GET", "HEAD"] as const;
const FORWARDING = { via: "fuzz", clientVersionMinor: 1, closeConnection: false, requestId: "" } as const;

interface Reading {
  readonly head: ResponseHead | undefined;
  /** Every byte belongs to one response, which is whole when the connection ends here. */
  readonly complete: boolean;
  readonly refused: boolean;
  readonly interimClose: boolean;
  readonly raw: string;
  readonly payload: string;
}

interface Answer {
  readonly status: number;
  readonly fields: readonly string[];
  readonly body: string;
}

test("a response that we accept, Node's parser reads with the same fields and body, before and after forwarding", async () => {
  const random = generator(SEED);
  let acceptedCount = 0;
  for (let start = 0; start < INPUTS; start += BATCH) {
    const inputs = Array.from({ length: BATCH }, () => draw(random));
    const outcomes = await Promise.all(inputs.map(({ method, text }) => compare(method, text)));
    acceptedCount += outcomes.filter(Boolean).length;
  }
  assert.ok(acceptedCount > INPUTS / 20, `${acceptedCount} of ${INPUTS} inputs were accepted`);
  assert.ok(acceptedCount < INPUTS * 0.9, `${acceptedCount} of ${INPUTS} inputs were accepted`);
});

test("the same bytes read the same, whole, byte by byte and at random cuts", () => {
  const random = generator(SEED + 1);
  for (let count = 0; count < INPUTS; count++) {
    const { method, text } = draw(random);
    const input = Buffer.from(text, "latin1");
    const whole = read(method, [input]);
    assert.deepEqual(
      read(
        method,
        Array.from(input, (byte) => Buffer.of(byte)),
      ),
      whole,
      describe("by bytes", method, text),
    );
    assert.deepEqual(read(method, cut(input, random)), whole, describe("at random cuts", method, text));
  }
});

function draw(random: Random): { method: string; text: string } {
  const chunked = `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n`;
  const seeds = random(3) === 0 ? [chunked + chunkedBody(random)] : SEEDS;
  return { method: METHODS[random(METHODS.length)] as string, text: mutated(seeds, LINES, random) };
}

async function compare(method: string, text: string): Promise<boolean> {
  const ours = read(method, [Buffer.from(text, "latin1")]);
  const head = ours.head;
  if (head === undefined || !ours.complete || head.framing === "tunnel") return false;
  // An exact repeat of a length is taken once and sent on once, a close that an informational head speaks of is not
  // believed before the final one, and a blank before a colon is taken out; Node refuses all three, so only what we make of
  // them is compared.
  const repeated = head.header("content-length")?.includes(",") ?? false;
  const mended = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+[ \t]+:/m.test(text);
  if (!repeated && !ours.interimClose && !mended) {
    const expected: Answer = { status: head.status, fields: [...head.fields()].flat(), body: ours.payload };
    assert.deepEqual(await askOracle(method, text), expected, describe("as sent", method, text));
  }

  const body = needsChunks(head, FORWARDING.clientVersionMinor) ? chunked(ours.raw) : ours.raw;
  const far = await askOracle(method, responseStart(head, FORWARDING) + responseEnding(head, FORWARDING) + body);
  assert.equal(far?.status, head.status, describe("forwarded", method, text));
  assert.equal(far.body, ours.payload, describe("forwarded", method, text));
  return true;
}

/** What its app ended by closing, as the client gets it. */
function chunked(raw: string): string {
  const chunk = raw === "" ? "" : asChunk(Buffer.from(raw, "latin1")).toString("latin1");
  return chunk + lastChunk().toString("latin1");
}

/** Reads the bytes of one connection as the answer to one request. */
function read(method: string, chunks: readonly Buffer[]): Reading {
  const collector = new HeadCollector(64 * 1024, "response");
  const reader = new BodyReader("TARGET_PROTOCOL");
  const decoder = new ChunkedDecoder("TARGET_PROTOCOL");
  const payload: Buffer[] = [];
  let head: ResponseHead | undefined;
  let raw = "";
  let extra = false;
  let refused = false;
  let interimClose = false;
  for (const chunk of chunks) {
    let rest = chunk;
    while (rest.length > 0 && !refused && !extra) {
      if (head === undefined) {
        if (!collector.push(rest)) break;
        const parsed = collector.problem ?? parseResponseHead(collector.text, method);
        rest = collector.rest;
        collector.reset();
        if (parsed instanceof HttpProblem) {
          refused = true;
        } else if (parsed.informational) {
          interimClose ||= !parsed.keepAlive;
        } else {
          head = parsed;
          reader.start(parsed.framing, parsed.bodyLength);
        }
      } else {
        const count = reader.take(rest);
        const taken = rest.subarray(0, count);
        raw += reader.goingOn(rest).toString("latin1");
        if (head.framing === "chunked") decoder.take(taken, payload);
        else payload.push(taken);
        rest = rest.subarray(count);
        refused = reader.problem !== undefined;
        extra = reader.done && rest.length > 0;
      }
    }
  }
  const complete = head !== undefined && !refused && !extra && reader.mayEnd;
  return { head, complete, refused, interimClose, raw, payload: Buffer.concat(payload).toString("latin1") };
}

/** What Node's client makes of these bytes; undefined when it refuses them. */
async function askOracle(method: string, text: string): Promise<Answer | undefined> {
  const socket = new Duplex({
    read() {},
    write(_chunk, _encoding, callback) {
      callback();
    },
  });
  return await new Promise((resolve) => {
    const asked = request({
      method,
      host: "a",
      createConnection: () => socket,
      maxHeaderSize: 64 * 1024,
    });
    asked.on("error", () => resolve(undefined));
    asked.on("response", (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", () => resolve(undefined));
      response.on("end", () => {
        const body = Buffer.concat(chunks).toString("latin1");
        resolve({ status: response.statusCode ?? 0, fields: response.rawHeaders, body });
      });
    });
    asked.end();
    socket.push(Buffer.from(text, "latin1"));
    socket.push(null);
  });
}

function describe(how: string, method: string, text: string): string {
  return `${how}, seed ${SEED}: ${method} ${JSON.stringify(text)}`;
}

const SEEDS: readonly string[] = [
  "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
  "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\nContent-Length: 2\r\n\r\nhi",
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
  'HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n5;a="b"\r\nhello\r\n0\r\nX: y\r\n\r\n',
  "HTTP/1.0 200 OK\r\n\r\nuntil the end",
  "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end\r\n\r\n",
  "HTTP/1.1 204 No Content\r\nX: y\r\n\r\n",
  "HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n",
  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n",
  "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200\r\nContent-Length: 3\r\n\r\nabc",
];

const LINES: readonly string[] = [
  "Content-Length: 5",
  "Content-Length: 0",
  "Content-Length: 5, 5",
  "Content-Length\t: 5",
  "Transfer-Encoding: chunked",
  "Transfer-Encoding: gzip, chunked",
  "Transfer-Encoding: identity",
  "Connection: close, content-length",
  "Upgrade: x",
  " folded: yes",
  "X: y\nContent-Length: 5",
  "X: \xe9\xff",
  "",
];
