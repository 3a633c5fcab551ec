// Invariant: what we accept, Node's own parser accepts as the same messages; however the bytes are cut, we read the same.
import assert from "node:assert/strict";
import { createServer, METHODS } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Duplex } from "node:stream";
import { after, test } from "node:test";
import { BodyReader, ChunkedDecoder } from "../../src/http/body-framing.ts";
import { HeadCollector } from "../../src/http/head-collector.ts";
import { HttpProblem } from "../../src/http/http-problem.ts";
import { forwardedEnding, forwardedStart, ForwardingContext } from "../../src/http/request-forwarding.ts";
import { parseRequestHead } from "../../src/http/request-head.ts";
import type { RequestHead } from "../../src/http/request-head.ts";
import { cut, generator, mutated } from "./mutation.ts";

const SEED = Number(process.env["POLARITY_FUZZ_SEED"] ?? 20_261_121);
const INPUTS = 12_000;
const BATCH = 200;
const MARKER = "GET /marker HTTP/1.1\r\nHost: marker\r\n\r\n";
const KNOWN_METHODS = new Set(METHODS);

/** One message, as either parser reads it. */
interface Message {
  readonly method: string;
  readonly target: string;
  readonly fields: readonly string[];
  readonly body: string;
}

interface Reading {
  readonly messages: readonly Message[];
  readonly heads: readonly RequestHead[];
  /** The bytes of each body as they came, framing included. */
  readonly bodies: readonly string[];
  /** The reading went on to the last byte, and that was the end of a message. */
  readonly complete: boolean;
  readonly refused: boolean;
}

const oracle = createServer({ maxHeaderSize: 64 * 1024, keepAliveTimeout: 60_000 });
after(() => oracle.close());
const context = new ForwardingContext({
  via: "fuzz",
  clientAddress: "192.0.2.1",
  clientPort: 0,
  proto: "http",
  trusted: false,
  defaultHost: "default",
});

test("whatever we accept, Node's parser reads as the same messages, before and after forwarding", async () => {
  const random = generator(SEED);
  let acceptedCount = 0;
  for (let start = 0; start < INPUTS; start += BATCH) {
    const inputs = Array.from({ length: BATCH }, () => mutated(SEEDS, LINES, random));
    const outcomes = await Promise.all(inputs.map((input) => compare(input)));
    acceptedCount += outcomes.filter(Boolean).length;
  }
  // A mutator that breaks everything, or nothing, would show little.
  assert.ok(acceptedCount > INPUTS / 20, `${acceptedCount} of ${INPUTS} inputs were accepted`);
  assert.ok(acceptedCount < INPUTS * 0.9, `${acceptedCount} of ${INPUTS} inputs were accepted`);
});

test("the same bytes read the same, whole, byte by byte and at random cuts", () => {
  const random = generator(SEED + 1);
  for (let count = 0; count < INPUTS; count++) {
    const text = mutated(SEEDS, LINES, random) + (random(3) === 0 ? mutated(SEEDS, LINES, random) : "");
    const input = Buffer.from(text, "latin1");
    const whole = outline(read([input]));
    const single = outline(read(Array.from(input, (byte) => Buffer.of(byte))));
    assert.deepEqual(single, whole, describe("byte by byte", text));
    assert.deepEqual(outline(read(cut(input, random))), whole, describe("at random cuts", text));
  }
});

async function compare(text: string): Promise<boolean> {
  const ours = read([Buffer.from(text, "latin1")]);
  if (!ours.complete) return false;
  const head = ours.heads.at(-1);
  // Node knows a list of methods, which is no question of framing; and behind a close or an upgrade it reads nothing more.
  if (head === undefined || !ours.messages.every((message) => KNOWN_METHODS.has(message.method))) return false;
  if (ours.heads.slice(0, -1).some(endsConnection)) return false;

  const ends = endsConnection(head);
  const theirs = await askOracle(ends ? text : text + MARKER);
  assert.deepEqual(theirs, ends ? ours.messages : [...ours.messages, markerMessage()], describe("as sent", text));

  const forwarded = ours.heads.map(
    (each, index) => forwardedStart(each, context) + forwardedEnding(each, context) + (ours.bodies[index] ?? ""),
  );
  const upgrades = head.upgrade !== "";
  const far = await askOracle(forwarded.join("") + (upgrades ? "" : MARKER));
  assert.equal(far.length, ours.messages.length + (upgrades ? 0 : 1), describe("forwarded", text));
  for (const [index, message] of ours.messages.entries()) {
    const other = far[index];
    assert.equal(other?.method, message.method, describe("forwarded", text));
    assert.equal(other.target, ours.heads[index]?.path, describe("forwarded", text));
    assert.equal(other.body, message.body, describe("forwarded", text));
  }
  return true;
}

function endsConnection(head: RequestHead): boolean {
  return !head.keepAlive || head.header("upgrade") !== undefined;
}

function markerMessage(): Message {
  return { method: "GET", target: "/marker", fields: ["Host", "marker"], body: "" };
}

/** Reads a connection's bytes as a listener does: head, body, next head. */
function read(chunks: readonly Buffer[]): Reading {
  const collector = new HeadCollector(64 * 1024);
  const reader = new BodyReader("BAD_REQUEST");
  const decoder = new ChunkedDecoder("BAD_REQUEST");
  const heads: RequestHead[] = [];
  const messages: Message[] = [];
  const bodies: string[] = [];
  let payload: Buffer[] = [];
  let raw = "";
  let inBody = false;
  let refused = false;

  for (const chunk of chunks) {
    let rest = chunk;
    while (rest.length > 0 && !refused) {
      if (!inBody) {
        if (!collector.push(rest)) break;
        const head = collector.problem ?? parseRequestHead(collector.text);
        rest = collector.rest;
        collector.reset();
        if (head instanceof HttpProblem) {
          refused = true;
          break;
        }
        heads.push(head);
        reader.start(head.bodyKind, head.bodyLength);
        decoder.reset();
        payload = [];
        raw = "";
        inBody = true;
      } else {
        const count = reader.take(rest);
        const taken = rest.subarray(0, count);
        raw += taken.toString("latin1");
        if (heads.at(-1)?.bodyKind === "chunked") decoder.take(taken, payload);
        else payload.push(taken);
        rest = rest.subarray(count);
        refused = reader.problem !== undefined;
      }
      const head = heads.at(-1);
      if (inBody && reader.done && head !== undefined) {
        const fields = [...head.fields()].flat();
        const body = Buffer.concat(payload).toString("latin1");
        messages.push({ method: head.method, target: head.target, fields, body });
        bodies.push(raw);
        inBody = false;
      }
    }
  }
  return {
    messages,
    heads,
    bodies,
    refused,
    complete: !refused && !inBody && !collector.started && messages.length > 0,
  };
}

function outline(reading: Reading): object {
  return { messages: reading.messages, bodies: reading.bodies, refused: reading.refused, complete: reading.complete };
}

/** What Node's server makes of these bytes on one connection. */
async function askOracle(text: string): Promise<Message[]> {
  const messages: Message[] = [];
  const socket = new Duplex({
    read() {},
    write(_chunk, _encoding, callback) {
      callback();
    },
  });
  listeners.set(socket, messages);
  const closed = new Promise<void>((resolve) => socket.once("close", resolve));
  oracle.emit("connection", socket);
  socket.push(Buffer.from(text, "latin1"));
  socket.push(null);
  await closed;
  return messages;
}

const listeners = new WeakMap<object, Message[]>();

function noteMessage(request: IncomingMessage, response: ServerResponse): void {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    listeners.get(request.socket)?.push({
      method: request.method ?? "",
      target: request.url ?? "",
      fields: request.rawHeaders,
      body: Buffer.concat(chunks).toString("latin1"),
    });
    response.writeHead(204).end();
  });
}

oracle.on("request", noteMessage);
oracle.on("checkContinue", noteMessage);
oracle.on("checkExpectation", noteMessage);
oracle.on("clientError", (_error, socket) => socket.destroy());

const SEEDS: readonly string[] = [
  "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
  "GET /a/b?c=d&e=%20 HTTP/1.1\r\nHost: app.example.com:8001\r\nUser-Agent: x/1.0 (y; z)\r\nAccept: */*\r\n\r\n",
  "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
  "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 18\r\nContent-Type: x\r\n\r\nGET / HTTP/1.1\r\n\r\n",
  "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
  'PUT /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n5;a=b;c="d;e"\r\nhello\r\n1a\r\nabcdefghijklmnopqrstuvwxyz\r\n0;z\r\nX: y\r\n\r\n',
  "GET http://b.example:81/x?y HTTP/1.1\r\nHost: a\r\n\r\n",
  "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
  "GET / HTTP/1.0\r\n\r\n",
  "POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi",
  "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, x-hop\r\nX-Hop: 1\r\n\r\n",
  "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
  "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
  "GET / HTTP/1.1\r\nHost: [::1]:80\r\nX-Forwarded-For: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\nTE: trailers\r\nVia: 1.1 x\r\n\r\n",
  "\r\nDELETE /x HTTP/1.1\r\nHost:a\r\nA:b\r\nB:\t c \t\r\nC:\r\n\r\n",
];

const LINES: readonly string[] = [
  "Content-Length: 5",
  "Content-Length: 0",
  "Content-Length: +5",
  "Content-Length: 5, 5",
  "Content-Length : 5",
  "Content_Length: 5",
  "Transfer-Encoding: chunked",
  "Transfer-Encoding: xchunked",
  "Transfer-Encoding: chunked, identity",
  "Transfer-Encoding:\x0bchunked",
  "Transfer-Encoding\t: chunked",
  "Transfer-Encoding: \r\n chunked",
  "Host: b",
  "Connection: close",
  "Connection: keep-alive, content-length, transfer-encoding, host",
  "Upgrade: h2c",
  "Expect: x",
  " folded: yes",
  "X: y\nContent-Length: 5",
  "X: y\rContent-Length: 5",
  "X: \xe9\x80\xff",
  "",
];

function describe(how: string, text: string): string {
  return `${how}, seed ${SEED}: ${JSON.stringify(text)}`;
}
