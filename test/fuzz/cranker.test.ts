/**
 * Whatever a connector sends, what comes out is the beginning of one well-formed response, and only a whole one ends like one;
 * whatever splits a request has on its way, a connector gets the same of it.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ByteSink, ByteStream } from "../../src/base/byte-stream.ts";
import type { PolarityError } from "../../src/base/errors.ts";
import type { OpenCarrier } from "../../src/cranker/carrier.ts";
import { CrankerStream } from "../../src/cranker/cranker-stream.ts";
import type { MessageSocket, MessageSocketUser } from "../../src/cranker/message-socket.ts";
import { SingleSocket } from "../../src/cranker/single-socket.ts";
import { Tunnel } from "../../src/cranker/tunnel.ts";
import { BodyReader } from "../../src/http/body-framing.ts";
import { HeadCollector } from "../../src/http/head-collector.ts";
import { HttpProblem } from "../../src/http/http-problem.ts";
import { parseResponseHead } from "../../src/http/response-head.ts";
import { Random } from "../support/random.ts";

const ROUNDS = 3_000;
const METHODS = ["GET", "HEAD", "POST"] as const;

class Wire implements MessageSocket {
  readonly address = "peer";
  readonly writable = true;
  readonly sent: string[] = [];
  closedWith = 0;
  paused = false;

  sendText(text: string): void {
    this.sent.push(`t ${text}`);
  }
  sendBinary(message: Buffer): void {
    this.sent.push(`b ${message.toString("latin1")}`);
  }
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
  close(code: number): void {
    this.closedWith ||= code;
  }
}

/** Reads what comes as strictly as a listener does. */
class StrictClient implements ByteSink {
  stream: ByteStream | undefined;
  state: "open" | "ended" | "reset" = "open";
  error: PolarityError | undefined;
  text = "";
  readonly #method: string;
  readonly #collector = new HeadCollector(1 << 20, "response");
  readonly #body = new BodyReader("TARGET_PROTOCOL");
  #headRead = false;
  readonly #consumes: () => boolean;
  #owed = 0;

  constructor(method: string, consumes: () => boolean) {
    this.#method = method;
    this.#consumes = consumes;
  }

  data(chunk: Buffer): void {
    assert.equal(this.state, "open", "bytes after the end");
    this.text += chunk.toString("latin1");
    this.#owed += chunk.length;
    this.#read(chunk);
    if (this.#consumes()) this.consume();
  }

  consume(): void {
    const owed = this.#owed;
    this.#owed = 0;
    this.stream?.consumed(owed);
  }

  end(): void {
    assert.equal(this.state, "open", "a second end");
    assert.ok(this.#headRead && this.#body.done, "an end in the middle");
    this.state = "ended";
  }

  reset(error: PolarityError): void {
    assert.equal(this.state, "open", "a reset after the end");
    this.state = "reset";
    this.error = error;
  }

  drain(): void {}

  #read(chunk: Buffer): void {
    let rest = chunk;
    if (!this.#headRead) {
      if (!this.#collector.push(chunk)) return;
      assert.equal(this.#collector.problem, undefined);
      const head = parseResponseHead(this.#collector.text, this.#method);
      assert.ok(!(head instanceof HttpProblem), JSON.stringify(head));
      assert.ok(head.framing !== "close" && head.framing !== "tunnel" && !head.informational, head.framing);
      this.#headRead = true;
      this.#body.start(head.framing, head.bodyLength);
      rest = this.#collector.rest;
    }
    const taken = this.#body.take(rest);
    assert.equal(this.#body.problem, undefined);
    assert.equal(taken, rest.length, "bytes after the end of the response");
  }
}

const HOST = { who: "the connector", responseTimeoutMs: 1_000, over: () => {} };
const OWNER = { who: "the connector", gone: () => {}, retired: () => {}, givenBack: () => {}, misbehaved: () => {} };

const HEAD_PIECES = [
  "HTTP/1.1 200 OK\n",
  "HTTP/1.1 204 No\n",
  "HTTP/1.1 304 X\n",
  "HTTP/1.1 500\n",
  "HTTP/1.1 101 X\nupgrade:x\n",
  "HTTP/1.1 999 X\n",
  "content-length:5\n",
  "content-length:0\n",
  "content-length:5\r\n",
  "Content-Length: 12 \n",
  "transfer-encoding:chunked\n",
  "connection:close, content-length\n",
  "x:\u00e9\u20ac\n",
  "x:a\rb:c\n",
  "x: \t\n",
  ":status:200\n",
  "no colon\n",
  "\n",
  "\r\n",
  "x:\u0000\n",
];
const BODIES = ["", "x", "hello", "HTTP/1.1 200 OK\r\n\r\n", "0\r\n\r\n", "twelve bytes"];

function headOf(random: Random): string {
  let head = random.oneIn(4) ? "" : HEAD_PIECES[random.below(4)]!;
  for (let count = random.below(4); count > 0; count--) head += random.pick(HEAD_PIECES);
  return head;
}

function frameOf(random: Random): Buffer {
  const type = random.oneIn(10) ? random.below(12) : random.pick([0, 0, 0, 1, 1, 1, 8, 3]);
  const flags = random.oneIn(4) ? random.below(256) : random.pick([0, 1, 4, 5]);
  const id = random.oneIn(6) ? random.pick([0, 2, -1]) : 1;
  const payload =
    type === 1
      ? Buffer.from(headOf(random))
      : type === 0
        ? Buffer.from(random.pick(BODIES))
        : random.bytes(random.below(9));
  const header = Buffer.from([type, flags, 0, 0, 0, 0]);
  header.writeInt32BE(id, 2);
  const frame = Buffer.concat([header, payload]);
  return random.oneIn(20) ? frame.subarray(0, random.below(frame.length)) : frame;
}

interface Scene {
  readonly wire: Wire;
  readonly client: StrictClient;
  readonly user: MessageSocketUser;
}

function begin(random: Random, version: "1.0" | "3.0"): Scene {
  const wire = new Wire();
  const method = random.pick(METHODS);
  const client = new StrictClient(method, () => !random.oneIn(3));
  let carrier: OpenCarrier;
  let user: MessageSocketUser;
  if (version === "3.0") {
    const tunnel = new Tunnel(wire, OWNER);
    carrier = tunnel.take();
    user = tunnel;
  } else {
    const single = new SingleSocket(wire, OWNER);
    carrier = single;
    user = single;
  }
  const stream = new CrankerStream(carrier, client, HOST);
  client.stream = stream;
  stream.begin(`${method} /web HTTP/1.1\r\nHost: a\r\n\r\n`);
  return { wire, client, user };
}

test("3.0: any frames come to the beginning of a well-formed response", () => {
  let ended = 0;
  for (let seed = 0; seed < ROUNDS; seed++) {
    const random = new Random(seed);
    const { wire, client, user } = begin(random, "3.0");
    let payload = 0;
    for (let count = 1 + random.below(12); count > 0; count--) {
      const frame = frameOf(random);
      if (frame.length >= 6) payload += frame.length - 6;
      user.binary(Buffer.from(frame));
      if (random.oneIn(5)) client.consume();
    }
    if (random.oneIn(3)) user.closed(random.pick([1000, 1001, 1006, 1011]), "words\u0000");
    if (client.state === "ended") ended++;
    const acknowledged = wire.sent
      .map((message) => Buffer.from(message.slice(2), "latin1"))
      .filter((frame) => frame[0] === 8)
      .reduce((sum, frame) => sum + frame.readInt32BE(6), 0);
    assert.ok(acknowledged <= payload, `seed ${seed}: ${acknowledged} of ${payload} bytes acknowledged`);
  }
  assert.ok(ended > ROUNDS / 50, `only ${ended} whole responses: the test has lost its subject`);
});

test("1.0: any messages come to the beginning of a well-formed response", () => {
  let ended = 0;
  for (let seed = 0; seed < ROUNDS; seed++) {
    const random = new Random(seed);
    const { client, user } = begin(random, "1.0");
    for (let count = random.below(6); count > 0; count--) {
      if (random.oneIn(2)) user.text(headOf(random));
      else user.binary(Buffer.from(random.pick(BODIES)));
      if (random.oneIn(5)) client.consume();
    }
    if (!random.oneIn(8)) user.closed(random.oneIn(4) ? random.pick([1001, 1006, 1008, 1011]) : 1000, "");
    if (client.state === "ended") ended++;
  }
  assert.ok(ended > ROUNDS / 50, `only ${ended} whole responses: the test has lost its subject`);
});

const REQUESTS = [
  "GET /web?a=b HTTP/1.1\r\nHost: a\r\nCookie: a\r\nCookie: b\r\n\r\n",
  "POST /web HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world",
  "PUT /web HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n8\r\ndefghijk\r\n0\r\nX-T: 1\r\n\r\n",
  "POST /web HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  "POST /web HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
];

/** Head, body in one piece, and whether it ended, as the connector gets them; 3.0. */
function received(chunks: readonly string[]): string {
  const wire = new Wire();
  const stream = new CrankerStream(new Tunnel(wire, OWNER).take(), new StrictClient("GET", () => true), HOST);
  for (const chunk of chunks) {
    const lent = Buffer.from(chunk, "latin1");
    stream.write(lent);
    // Bytes are only lent: what was kept of them shows.
    lent.fill(0x21);
  }
  stream.end();
  let head = "";
  let body = "";
  let ends = 0;
  for (const message of wire.sent) {
    const frame = Buffer.from(message.slice(2), "latin1");
    assert.ok(frame[0] === 0 || frame[0] === 1, `type ${frame[0]}`);
    if (frame[0] === 1) head += frame.toString("latin1", 6);
    else body += frame.toString("latin1", 6);
    if ((frame[1]! & 1) !== 0) ends++;
  }
  assert.equal(ends, 1, "one end");
  return `${head}|${body}`;
}

test("a request split anywhere is the same request", () => {
  const random = new Random(7);
  for (const request of REQUESTS) {
    const whole = received([request]);
    assert.equal(received(request.split("")), whole, "byte by byte");
    for (let at = 1; at < request.length; at++) {
      assert.equal(received([request.slice(0, at), request.slice(at)]), whole, `at ${at}`);
    }
    for (let round = 0; round < 200; round++) {
      const chunks: string[] = [];
      for (let at = 0; at < request.length;) {
        const size = 1 + random.below(9);
        chunks.push(request.slice(at, at + size));
        at += size;
      }
      assert.equal(received(chunks), whole);
    }
  }
});

test("bodies come without their framing", () => {
  assert.match(received([REQUESTS[1]!]), /^POST \/web HTTP\/1\.1\nHost:a\nContent-Length:11\n\n\|hello world$/);
  assert.match(received([REQUESTS[2]!]), /^PUT \/web HTTP\/1\.1\nHost:a\n\n\|abcdefghijk$/);
});
