/** The package as a library, by what its entry exports. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type ByteSink,
  createNode,
  ERRORS,
  PolarityError,
  resolveConfig,
  silentLogger,
  systemClock,
} from "../../src/index.ts";
import type { ConfigInput, PolarityNode } from "../../src/index.ts";
import { startRawApp } from "../support/apps.ts";

/** As a program outside of this repository would do it. */
function nodeOf(input: ConfigInput): PolarityNode {
  const resolution = resolveConfig(input, { folder: process.cwd(), defaultName: "library" });
  if (resolution.kind === "invalid") throw new Error(JSON.stringify(resolution.problems));
  return createNode(resolution.config, { logger: silentLogger, clock: systemClock, version: "test" });
}

test(
  "a program runs nodes of its own and opens a stream to a service behind a router",
  { timeout: 15_000 },
  async (t) => {
    const app = await startRawApp(t, (socket) => socket.pipe(socket));
    const router = nodeOf({ node: { name: "edge" }, links: { accept: [{ url: "tcp://127.0.0.1:0" }] } });
    await router.start();
    const [url = ""] = router.addresses.links;
    const connector = nodeOf({ links: { dial: [{ url }] }, services: { echo: { target: app.url } } });
    const client = nodeOf({ node: { name: "client" }, links: { dial: [{ url }] } });
    for (const node of [connector, client]) await node.start();
    t.after(() => Promise.all([router, connector, client].map((node) => node.stop())));

    const stream = await client.open("echo", undefined, 10_000);
    const ended = Promise.withResolvers<string>();
    let text = "";
    const sink: ByteSink = {
      data(chunk) {
        text += chunk.toString();
        stream.consumed(chunk.length);
      },
      end: () => ended.resolve(text),
      reset: ended.reject,
      drain: () => {},
    };
    stream.sink = sink;
    stream.write(Buffer.from("there and back"));
    stream.end();
    assert.equal(await ended.promise, "there and back");
    assert.equal(router.view().listeners[0]?.url, "relay");
  },
);

test("errors are matched by their code", async (t) => {
  const app = await startRawApp(t, () => {});
  const node = nodeOf({ listeners: [{ url: app.url, service: "any" }] });
  const failure = await node.start().then(
    () => undefined,
    (error: unknown) => error,
  );
  assert.ok(failure instanceof PolarityError && failure.code === "ADDRESS_IN_USE");
  assert.equal(ERRORS[failure.code].fault, "operator");
});
