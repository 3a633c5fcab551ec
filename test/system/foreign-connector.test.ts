/** Connectors that are not ours: docs/PROTOCOL.md is all that they share with a router, and some know more than it. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";

import { PolarityError } from "../../src/base/errors.ts";
import { StreamRequest } from "../../src/base/upstream.ts";
import { Acceptor } from "../../src/link/acceptor.ts";
import { TokenSet } from "../../src/link/tokens.ts";
import { encodeHeader, FLAG_SYN, HEADER_BYTES, TYPE_DATA } from "../../src/mux/frame.ts";
import { startHttpApp } from "../support/apps.ts";
import { offered, startConnector, startRouter } from "../support/cluster.ts";
import { ask } from "../support/http-client.ts";
import { LinkNode, StreamReader } from "../support/link-node.ts";

const EXAMPLE = fileURLToPath(new URL("../../examples/foreign-connector.ts", import.meta.url));

/** Sixty lines and an off-the-shelf yamux library. */
test("a connector that shares no code with us joins, offers, answers and drains", { timeout: 30_000 }, async (t) => {
  const router = new LinkNode("router");
  const acceptor = await Acceptor.listen({
    place: { kind: "tcp", host: "127.0.0.1", port: 0 },
    tls: undefined,
    tokens: new TokenSet([{ name: "guest", token: "letmein" }]),
    insecure: false,
    context: router.context,
  });
  const child = spawn(process.execPath, [EXAMPLE, "127.0.0.1", new URL(acceptor.url).port, "letmein"], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  t.after(async () => {
    child.kill("SIGKILL");
    await acceptor.close();
    for (const link of acceptor.links) link.close(new PolarityError("NODE_STOPPED", "the test is over"));
  });
  const exited = once(child, "exit");
  await router.until(() => router.offers.has("hello"));
  assert.equal(router.link.peer.identity, "guest");
  assert.deepEqual(router.heard, ["joined foreign", "offered hello"]);

  const answers = await Promise.all(
    Array.from({ length: 50 }, async (_, index) => {
      const reader = new StreamReader();
      const request = new StreamRequest("hello", "http/1.1", `203.0.113.9:${index}`);
      const stream = router.link.open(request, `GET /${index} HTTP/1.1\r\nHost: a\r\n\r\n`, "", reader);
      assert.ok(stream !== undefined);
      reader.consume = (bytes) => stream.consumed(bytes);
      stream.end();
      return (await reader.whole()).toString();
    }),
  );
  for (const [index, answer] of answers.entries()) {
    assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/);
    assert.match(answer, new RegExp(`Hello 203\\.0\\.113\\.9:${index}, you said: GET /${index} HTTP/1\\.1`));
  }

  router.link.drain();
  await exited;
  assert.equal(router.ends[0]?.code, "LINK_DRAINING");
});

test("a refusal for a reason that a router does not know moves a GET on and ends a POST", async (t) => {
  const methods: string[] = [];
  const app = await startHttpApp(t, (request, response) => {
    methods.push(request.method ?? "");
    response.end("good");
  });
  const router = await startRouter(t, [{ url: "http://127.0.0.1:0", service: "web" }]);
  const refused = refuseEverything(t, Number(new URL(router.link).port), "web", "FROM_THE_FUTURE");
  await startConnector(t, router.link, { web: { target: app.url } }, { cost: 10 });
  await offered(router.node, "web", 2);

  assert.equal((await ask(router.port)).text, "good");
  const post = await ask(router.port, { method: "POST", body: "x" });
  assert.deepEqual([post.status, post.headers["x-polarity-error"]], [502, "TARGET_FAILED"]);
  assert.match(post.text, /node \\?"stranger\\?": not today \(FROM_THE_FUTURE\)/);
  assert.deepEqual([refused(), methods], [2, ["GET"]], "the POST went nowhere else");
});

/** Joins as node `stranger`, offers `service`, and refuses each stream with `code`. Returns how many it refused. */
function refuseEverything(t: TestContext, port: number, service: string, code: string): () => number {
  const socket = connect(port, "127.0.0.1");
  t.after(() => socket.destroy());
  socket.on("error", () => {});
  const tell = (flags: number, message: object): void => {
    const line = Buffer.from(`${JSON.stringify(message)}\n`);
    socket.write(Buffer.concat([encodeHeader(TYPE_DATA, flags, 1, line.length), line]));
  };
  const offers = [{ service, protocol: "http/1.1" }];
  tell(FLAG_SYN, { type: "hello", protocol: 1, node: "stranger", instance: "1", offers });
  let refused = 0;
  let bytes = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]);
    while (bytes.length >= HEADER_BYTES) {
      const [type, flags, stream, length] = [
        bytes[1],
        bytes.readUInt16BE(2),
        bytes.readUInt32BE(4),
        bytes.readUInt32BE(8),
      ];
      const end = HEADER_BYTES + (type === TYPE_DATA ? length : 0);
      if (bytes.length < end) return;
      bytes = bytes.subarray(end);
      if ((flags & FLAG_SYN) === 0 || stream === 0) continue;
      refused++;
      tell(0, { type: "error", stream, code, message: "not today" });
    }
  });
  return () => refused;
}
