/** A user of a stream that throws, whatever it was told, at each place where the event loop calls in: only its stream ends. */
import assert from "node:assert/strict";
import { connect, createServer, type Socket } from "node:net";
import { once } from "node:events";
import { test, type TestContext } from "node:test";

import type { ByteSink, ByteStream } from "../../src/base/byte-stream.ts";
import type { PolarityError } from "../../src/base/errors.ts";
import { SocketStream } from "../../src/socket/socket-stream.ts";
import { expectFailures } from "../support/expected-failures.ts";
import { announce, LinkNode, openStream } from "../support/link-node.ts";
import { MEDIA } from "../support/link-media.ts";

const CALLS = ["data", "end", "reset", "drain"] as const;
type Call = (typeof CALLS)[number];

/** Throws at one of its calls; at `reset` as well, where it is asked to clean up. */
class ThrowingSink implements ByteSink {
  readonly heard: string[] = [];
  readonly #stream: ByteStream;
  readonly #fails: readonly Call[];

  constructor(stream: ByteStream, ...fails: readonly Call[]) {
    this.#stream = stream;
    this.#fails = fails;
  }

  data(chunk: Buffer): void {
    this.#stream.consumed(chunk.length);
    this.#hear("data");
  }

  end(): void {
    this.#hear("end");
  }

  reset({ code }: PolarityError): void {
    this.#hear("reset", code);
  }

  drain(): void {
    this.#hear("drain");
  }

  #hear(call: Call, detail = ""): void {
    this.heard.push(`${call} ${detail}`.trim());
    if (this.#fails.includes(call)) throw new Error(`the user fails at ${call}`);
  }
}

for (const medium of MEDIA) {
  test(`${medium.name}: a stream whose user throws is reset with INTERNAL, and its link goes on`, async (t) => {
    const failures = expectFailures(t);
    const sinks: ThrowingSink[] = [];
    const failsAt = new Map<string, readonly Call[]>([
      ["at-data", ["data"]],
      ["at-end", ["end"]],
      ["at-data-and-reset", ["data", "reset"]],
    ]);
    const router = new LinkNode("router");
    const connector = new LinkNode("connector", {
      offers: [announce("web")],
      accept: ({ service }, stream) => {
        const sink = new ThrowingSink(stream, ...(failsAt.get(service) ?? []));
        sinks.push(sink);
        stream.sink = sink;
        if (service === "fails-at-once") throw new Error("nobody takes it");
        if (service === "well") stream.write(Buffer.from("well"));
      },
    });
    const joining = await medium.join(router, connector);
    t.after(() => joining.close());
    await Promise.all([router.joinedOnce(), connector.joinedOnce()]);
    for (const service of [...failsAt.keys(), "fails-at-once"]) {
      const { stream, reader } = openStream(router.link, service, "hello");
      stream.end();
      const error = await reader.reason();
      assert.equal(error.code, "INTERNAL", service);
    }
    const { reader } = openStream(router.link, "well", "hello");
    await reader.until(() => reader.text === "well");
    assert.deepEqual([router.ends, connector.ends], [[], []]);
    assert.ok(failures.every(({ place }) => place === "stream"));
    assert.equal(failures.length, 5);
    assert.deepEqual(sinks[0]?.heard, ["data", "reset INTERNAL"]);
  });
}

test("a link of which a part throws that is no stream's ends with INTERNAL, and another link goes on", async (t) => {
  const failures = expectFailures(t);
  const tcp = MEDIA.find(({ name }) => name === "tcp")!;
  const router = new LinkNode("router");
  const peers = [new LinkNode("one"), new LinkNode("two", { offers: [announce("poison")] })] as const;
  const offered = router.offered.bind(router);
  router.offered = (link, announcement) => {
    if (announcement.service === "poison") throw new RangeError("Maximum call stack size exceeded");
    offered(link, announcement);
  };
  const first = await tcp.join(router, peers[0]);
  t.after(() => first.close());
  await peers[0].joinedOnce();
  const second = await tcp.join(router, peers[1]);
  t.after(() => second.close());
  await peers[1].until(() => peers[1].ends.length > 0);
  assert.match(peers[1].ends[0]!.message, /internal error/);
  assert.equal(failures[0]?.place, "link");
  const alive = router.links.values().find((link) => link.peer.node === "one")!;
  const { reader } = openStream(alive, "echo", "still here");
  await reader.until(() => reader.text === "still here");
});

/** Both ends of a connection, the first as a stream. */
async function pair(context: TestContext): Promise<{ readonly stream: SocketStream; readonly peer: Socket }> {
  const server = createServer({ allowHalfOpen: true }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const peer = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  const [socket] = (await once(server, "connection")) as [Socket];
  context.after(() => {
    peer.destroy();
    socket.destroy();
    server.close();
  });
  peer.on("error", () => {});
  const fault = { code: "CLIENT_GONE", who: "the peer" } as const;
  return { stream: new SocketStream(socket, fault, { data() {}, end() {}, reset() {}, drain() {} }), peer };
}

for (const call of CALLS) {
  test(`a connection whose user throws at ${call} is closed, and the process goes on`, async (t) => {
    const failures = expectFailures(t);
    const { stream, peer } = await pair(t);
    const sink = new ThrowingSink(stream, call);
    stream.sink = sink;
    const closed = new Promise((resolve) => stream.socket.once("close", resolve));
    if (call === "data") peer.write("hello");
    else if (call === "end") peer.end();
    else if (call === "reset") peer.resetAndDestroy();
    else {
      peer.pause();
      while (stream.write(Buffer.alloc(1024 * 1024)));
      peer.resume();
    }
    await closed;
    assert.deepEqual(
      failures.map(({ error }) => String(error.cause)),
      [`Error: the user fails at ${call}`],
    );
    assert.equal(sink.heard.at(-1), call === "reset" ? "reset CLIENT_GONE" : "reset INTERNAL");
    assert.ok(stream.over);
  });
}
