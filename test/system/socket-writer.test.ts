/** Sockets that are written to past their `Writable`: nothing of it may be noticed but the cost. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { test, type TestContext } from "node:test";
import { NO_SINK } from "../../src/base/byte-stream.ts";
import { lend, ReadBlockPool } from "../../src/base/read-block.ts";
import { resetSocket, SocketStream } from "../../src/socket/socket-stream.ts";
import { SocketWriter } from "../../src/socket/socket-writer.ts";
import { soon, until } from "../support/patience.ts";
import { Random } from "../support/random.ts";

interface Pair {
  /** Written to. */
  readonly socket: Socket;
  /** Paused: reads nothing before it is told to. */
  readonly peer: Socket;
}

async function connected(t: TestContext): Promise<Pair> {
  const server = createServer({ allowHalfOpen: true });
  t.after(() => server.close());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const arrival = once(server, "connection") as Promise<[Socket]>;
  const peer = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  const [[socket]] = await soon("the connection", Promise.all([arrival, once(peer, "connect")]));
  peer.pause();
  t.after(() => {
    socket.destroy();
    peer.destroy();
  });
  return { socket, peer };
}

class Drains {
  count = 0;
  drained(): void {
    this.count++;
  }
}

/** A writer that writes to its handle. */
async function writerOf(t: TestContext): Promise<Pair & { writer: SocketWriter; drains: Drains }> {
  const pair = await connected(t);
  const drains = new Drains();
  const writer = new SocketWriter(pair.socket, drains);
  // The first write of the process shows how Node does it.
  if (!writer.direct) {
    const arrival = once(pair.peer, "data");
    pair.peer.resume();
    writer.write(Buffer.from("!"));
    assert.equal(String((await soon("the first byte", arrival))[0]), "!");
    pair.peer.pause();
  }
  assert.ok(writer.direct, "this Node writes in another way: see socket-writer.ts");
  return { ...pair, writer, drains };
}

/** Writes until the system takes no more, each time from the same memory. Returns what was written. */
function fill(writer: SocketWriter): Buffer[] {
  const written: Buffer[] = [];
  const lent = Buffer.alloc(20_000);
  while (!writer.waiting) {
    lent.fill(written.length & 0xff);
    written.push(Buffer.from(lent));
    const outcome = writer.writeCopy(lent);
    assert.equal(outcome, writer.waiting ? "full" : "taken");
    lent.fill(0xee);
  }
  return written;
}

/** All that comes until the end. */
async function readToEnd(peer: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  peer.on("data", (chunk: Buffer) => chunks.push(chunk));
  peer.resume();
  await soon("the end", once(peer, "end"), 20_000);
  return Buffer.concat(chunks);
}

test("what the system does not take at once waits unharmed, and what follows waits behind it", async (t) => {
  const { writer, peer, socket, drains } = await writerOf(t);
  const written = fill(writer);
  assert.equal(writer.direct, false);
  assert.equal(socket.writableLength, 0, "it waits in the handle");
  // Another connection's bytes must not lie in the same memory.
  const other = await writerOf(t);
  assert.equal(other.writer.writeText("head", "ing", Buffer.from("!")), "taken");
  for (const text of ["behind", " it"]) {
    written.push(Buffer.from(text));
    assert.equal(writer.write(written.at(-1)!), "full");
  }
  written.push(Buffer.from("text"));
  assert.equal(writer.writeLatin1("text"), "full");
  const parts = [Buffer.from("two"), Buffer.from("parts")];
  written.push(...parts);
  assert.equal(writer.writeAll(parts), "full");
  assert.equal(drains.count, 0);
  writer.end();
  const got = await readToEnd(peer);
  assert.ok(got.equals(Buffer.concat(written)));
  assert.equal(writer.waiting, false);
  assert.ok(drains.count > 0);
});

test("a pending write takes a reset, also with an end behind it", async (t) => {
  const { writer, peer, socket, drains } = await writerOf(t);
  fill(writer);
  writer.end();
  const closed = once(socket, "close");
  resetSocket(socket);
  await soon("the socket's close", closed);
  const broken = once(peer, "error") as Promise<[NodeJS.ErrnoException]>;
  peer.resume();
  assert.equal((await soon("the peer's reset", broken))[0].code, "ECONNRESET");
  assert.equal(drains.count, 0, "nobody is told to go on");
});

test("a socket that is to close behind its last bytes does so when they are gone", async (t) => {
  const { writer, peer, socket } = await writerOf(t);
  const written = fill(writer);
  writer.destroySoon();
  assert.equal(socket.destroyed, false);
  const closed = once(socket, "close");
  assert.equal((await readToEnd(peer)).length, Buffer.concat(written).length);
  await soon("the socket's close", closed);
});

test("a write to a broken connection breaks the socket, with the system's reason", async (t) => {
  const { writer, peer, socket } = await writerOf(t);
  socket.pause();
  const broken = once(socket, "error") as Promise<[NodeJS.ErrnoException]>;
  peer.resetAndDestroy();
  const byte = Buffer.from("x");
  // The first ones may be sooner than the reset.
  await until("the socket breaks", () => {
    if (!socket.destroyed) writer.writeCopy(byte);
    return socket.destroyed;
  });
  const [error] = await soon("its error", broken);
  assert.match(error.code ?? "", /^(?:EPIPE|ECONNRESET)$/);
  await until("it is closed", () => socket.closed);
  assert.equal(writer.writeCopy(byte), "taken", "what is written then is dropped");
});

test("a stream's bytes arrive whole and in order, in whatever sizes and ways they are written to a slow reader", async (t) => {
  const random = new Random(20);
  const pool = new ReadBlockPool(128 * 1024);
  for (let run = 0; run < 12; run++) {
    const { socket, peer } = await connected(t);
    let room = true;
    const stream = new SocketStream(socket, { code: "CLIENT_GONE", who: "the client" }, { ...NO_SINK, drain });
    function drain(): void {
      room = true;
    }
    const got: Buffer[] = [];
    peer.on("data", (chunk: Buffer) => got.push(chunk));
    const expected: Buffer[] = [];
    let bytes = 0;
    for (let step = 0; step < 150; step++) {
      const size = random.oneIn(3) ? random.below(200_000) : random.below(600);
      const fillWith = random.below(200) + 32;
      const kind = random.below(4);
      if (kind === 0) {
        const text = String.fromCharCode(fillWith).repeat(size);
        expected.push(Buffer.from(text, "latin1"));
        room = stream.writeLatin1(text);
      } else if (kind === 1) {
        const head = `HTTP/1.1 200 OK ${step}\r\n`;
        const body = Buffer.alloc(size, fillWith);
        expected.push(Buffer.from(`${head}\r\n`), Buffer.from(body));
        room = stream.writeMessage(head, "\r\n", body);
        body.fill(0);
      } else if (kind === 2) {
        // As a socket in bulk lends its reads: who keeps the chunk holds the block.
        const block = pool.take();
        const chunk = block.room.subarray(0, Math.min(size, block.room.length)).fill(fillWith);
        expected.push(Buffer.from(chunk));
        lend(block);
        room = stream.write(chunk);
        lend(undefined);
        if (!block.held) chunk.fill(0);
        block.endReading();
      } else {
        const chunk = Buffer.alloc(size, fillWith);
        expected.push(Buffer.from(chunk));
        room = stream.write(chunk);
        chunk.fill(0);
      }
      bytes += expected.at(-1)!.length;
      if (random.oneIn(20)) peer.pause();
      else if (random.oneIn(10)) peer.resume();
      if (!room && random.oneIn(4)) {
        peer.resume();
        await until("there is room", () => room);
      }
    }
    assert.ok(bytes > 0);
    stream.end();
    peer.resume();
    await soon("the end", once(peer, "end"), 20_000);
    assert.ok(Buffer.concat(got).equals(Buffer.concat(expected)), `run ${run}`);
    assert.equal(stream.waiting, false);
    assert.equal(stream.takenMark, stream.bytesOut);
  }
});
