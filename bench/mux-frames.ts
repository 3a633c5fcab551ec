/**
 * What the mux alone costs: `node bench/mux-frames.ts`. Two sessions joined in memory, no sockets.
 *
 * Prints nanoseconds for one small request and response (open, both heads, both ends, both sides' work together), and the
 * rate of one bulk stream. Bytes are copied once on the way, as a socket would.
 */
import type { ByteSink } from "../src/base/byte-stream.ts";
import type { PolarityError } from "../src/base/errors.ts";
import { DEFAULT_MUX_LIMITS, WindowBudget } from "../src/mux/mux-limits.ts";
import { type MuxEvents, MuxSession } from "../src/mux/mux-session.ts";
import type { MuxStream } from "../src/mux/mux-stream.ts";

const CONCURRENCY = 64;
const EXCHANGES = 300_000;
const ROUNDS = 5;
const BULK_BYTES = 4 * 1024 * 1024 * 1024;
const REQUEST = `{"service":"web","protocol":"http/1.1"}\nGET /small HTTP/1.1\r\nhost: app.test\r\n${"x-some: header\r\n".repeat(8)}\r\n`;
const RESPONSE = `HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-type: text/plain\r\n\r\nhello`;

class Side implements MuxEvents {
  readonly session: MuxSession;
  readonly #accept: (stream: MuxStream) => ByteSink;
  dirty = false;
  peer!: Side;

  constructor(role: "client" | "server", accept: (stream: MuxStream) => ByteSink) {
    this.#accept = accept;
    this.session = new MuxSession(
      { role, limits: DEFAULT_MUX_LIMITS, nodeWindowBudget: new WindowBudget(1 << 30), now: 0 },
      this,
    );
  }

  opened(stream: MuxStream): void {
    stream.sink = this.#accept(stream);
  }
  wantsFlush(): void {
    this.dirty = true;
  }
  silence(): void {}
  peerGoesAway(): void {}
  idsRunOut(): void {}
  streamClosed(): void {}
  closed(error: PolarityError): void {
    throw error;
  }

  readonly #write = (buffers: Buffer[]): "taken" => {
    const now = performance.now();
    for (const buffer of buffers) this.peer.session.receive(Buffer.from(buffer), now);
    return "taken";
  };

  flush(): void {
    this.dirty = false;
    this.session.flush(performance.now(), this.#write);
  }
}

class Server implements ByteSink {
  readonly #stream: MuxStream;
  constructor(stream: MuxStream) {
    this.#stream = stream;
  }
  data(chunk: Buffer): void {
    this.#stream.consumed(chunk.length);
  }
  end(): void {
    this.#stream.writeLatin1(RESPONSE);
    this.#stream.end();
  }
  reset(): void {}
  drain(): void {}
}

class Client implements ByteSink {
  readonly #done: () => void;
  stream!: MuxStream;
  constructor(done: () => void) {
    this.#done = done;
  }
  data(chunk: Buffer): void {
    this.stream.consumed(chunk.length);
  }
  end(): void {
    this.#done();
  }
  reset(): void {}
  drain(): void {}
}

function join(accept: (stream: MuxStream) => ByteSink): [Side, Side] {
  const client = new Side("client", () => {
    throw new Error("the server side opens nothing here");
  });
  const server = new Side("server", accept);
  client.peer = server;
  server.peer = client;
  return [client, server];
}

function pump(client: Side, server: Side): void {
  while (client.dirty || server.dirty) {
    client.flush();
    server.flush();
  }
}

function exchanges(count: number): number {
  const [client, server] = join((stream) => new Server(stream));
  let left = count;
  const startOne = (): void => {
    if (left-- <= 0) return;
    const sink = new Client(startOne);
    sink.stream = client.session.open(sink)!;
    sink.stream.writeLatin1(REQUEST);
    sink.stream.end();
  };
  const started = performance.now();
  for (let each = 0; each < CONCURRENCY; each++) startOne();
  let ticked = started;
  while (client.dirty || server.dirty) {
    client.flush();
    server.flush();
    const now = performance.now();
    if (now - ticked > 100) {
      ticked = now;
      client.session.tick(now);
      server.session.tick(now);
    }
  }
  return ((performance.now() - started) * 1e6) / count;
}

function bulk(bytes: number): number {
  const chunk = Buffer.alloc(64 * 1024, 1);
  let received = 0;
  const [client, server] = join((stream) => ({
    data: (arrived) => {
      received += arrived.length;
      stream.consumed(arrived.length);
    },
    end: () => {},
    reset: () => {},
    drain: () => {},
  }));
  let sent = 0;
  const fill = (): void => {
    while (sent < bytes) {
      sent += chunk.length;
      if (!stream.write(chunk)) return;
    }
  };
  const stream: MuxStream = client.session.open({ data: () => {}, end: () => {}, reset: () => {}, drain: fill })!;
  client.session.ping(performance.now());
  const started = performance.now();
  fill();
  pump(client, server);
  return received / (performance.now() - started) / 1e6;
}

exchanges(EXCHANGES);
for (let round = 0; round < ROUNDS; round++) {
  const each = exchanges(EXCHANGES);
  console.log(`small exchange ${each.toFixed(0)} ns, bulk ${bulk(BULK_BYTES / ROUNDS).toFixed(2)} GB/s`);
}
