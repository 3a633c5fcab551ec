/** The promise of docs/PROTOCOL.md: sixty lines and an off-the-shelf yamux library make a connector. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { PolarityError } from "../../src/base/errors.ts";
import { StreamRequest } from "../../src/base/upstream.ts";
import { Acceptor } from "../../src/link/acceptor.ts";
import { TokenSet } from "../../src/link/tokens.ts";
import { LinkNode, StreamReader } from "../support/link-node.ts";

const EXAMPLE = fileURLToPath(new URL("../../examples/foreign-connector.ts", import.meta.url));

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
