/** What programs hand in wrongly, from languages without types too: one error, with a code, that names the place. */
import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { createServer as createHttp2Server } from "node:http2";
import { test } from "node:test";
import { connectAndServe, createDialer, createNode, PolarityError } from "../../src/index.ts";
import { startLinkRouter, startMachine } from "../support/programs.ts";

const ROUTER = "tcp://127.0.0.1:1";
const express = (): void => {};

/** As a program in JavaScript calls it. */
const loose = { connectAndServe, createDialer, createNode } as unknown as {
  readonly connectAndServe: (options?: unknown) => Promise<unknown>;
  readonly createDialer: (options?: unknown) => ReturnType<typeof createDialer>;
  readonly createNode: (config?: unknown) => ReturnType<typeof createNode>;
};

async function refused(what: string, act: () => unknown, code: string, words: RegExp): Promise<void> {
  await assert.rejects(
    async () => await act(),
    (error: unknown) => {
      assert.ok(error instanceof PolarityError, `${what}: ${String(error)}`);
      assert.equal(error.code, code, what);
      assert.match(error.message, words, what);
      assert.ok(!error.message.includes("\n"), `${what}: one line`);
      return true;
    },
  );
}

test("what cannot be served is refused, by name", async () => {
  const fetch = (): Response => new Response("");
  const cases: readonly (readonly [string, unknown, RegExp])[] = [
    ["no options", undefined, /^expected options as an object \(got undefined\)/],
    ["a URL for options", ROUTER, /^expected options as an object/],
    ["no routers", { services: { x: { fetch } } }, /^routers: expected a list of URLs of routers \(got undefined\)/],
    ["an empty list", { routers: [], services: { x: { fetch } } }, /^routers: expected the URL of a router at least/],
    ["a text for routers", { routers: ROUTER, services: {} }, /^routers: .*: write \["tcp:\/\/127\.0\.0\.1:1"\]$/],
    ["a number among routers", { routers: [ROUTER, 5], services: {} }, /^routers\[1\]: .*\(got 5\)/],
    ["no services", { routers: [ROUTER] }, /^services: .*\(got undefined\)/],
    ["a list of services", { routers: [ROUTER], services: [{ fetch }] }, /^services: expected an object/],
    ["an empty handler", { routers: [ROUTER], services: { x: {} } }, /^services\.x: expected a handler.*\(got \{\}\)$/],
    ["null", { routers: [ROUTER], services: { x: null } }, /^services\.x: .*\(got null\)/],
    ["a text", { routers: [ROUTER], services: { x: { fetch: "hello" } } }, /^services\.x: expected a handler/],
    ["an app", { routers: [ROUTER], services: { x: express } }, /^services\.x: .*: a function does not tell .*\{ http/],
    ["a URL", { routers: [ROUTER], services: { x: "http://127.0.0.1:1" } }, /^services\.x: .*node\.register$/],
    ["two kinds", { routers: [ROUTER], services: { x: { fetch, stream: fetch } } }, /fetch and stream in one object/],
    ["an HTTP/2 server", { routers: [ROUTER], services: { x: createHttp2Server() } }, /emit\("connection", stream\)/],
  ];
  for (const [what, options, words] of cases) {
    await refused(what, () => loose.connectAndServe(options), "CONFIG_INVALID", words);
  }
});

test("how it is served has the bounds of configurations", async () => {
  const node = createNode({});
  const serve = node.serve.bind(node) as (service: unknown, handler: unknown, options?: unknown) => void;
  const handler = { fetch: () => new Response("") };
  await refused("a weight", () => serve("x", handler, { weight: 5000 }), "CONFIG_INVALID", /weight/);
  await refused("a label", () => serve("x", handler, { labels: { a: 5 } }), "CONFIG_INVALID", /labels/);
  await refused(
    "a protocol",
    () => serve("x", handler, { protocol: "udp" }),
    "CONFIG_INVALID",
    /protocol: .*got 'udp'/,
  );
  await refused("a name", () => serve(5, handler), "USAGE", /expected the name of a service \(got 5\)/);
  await refused("no handler", () => serve("x", undefined), "CONFIG_INVALID", /^service "x": expected a handler/);
  assert.deepEqual(node.view().services, [], "nothing of it is offered");
  await node.stop();
});

test("a node and a dialer say what they cannot begin with", async () => {
  for (const config of [undefined, "polarity.yaml", 5, null, []]) {
    await refused(
      `a node of ${String(config)}`,
      () => loose.createNode(config),
      "CONFIG_INVALID",
      /^expected a config/,
    );
  }
  const cases: readonly (readonly [unknown, RegExp])[] = [
    [undefined, /^expected options as an object/],
    [{}, /^routers: expected the URL of a router at least, or a resolver/],
    [{ routers: [] }, /^routers: expected the URL of a router at least/],
    [{ routers: ROUTER }, /^routers: .*write \[/],
    [{ routers: [new URL(ROUTER)] }, /^routers\[0\]: expected the URL of a router/],
    [{ routers: [ROUTER], resolver: "phone0" }, /^resolver: expected a map/],
    [{ routers: [ROUTER], timeoutMs: "5000" }, /^timeoutMs: expected 1 to 60000 \(got '5000'\)/],
    [{ routers: [ROUTER], timeoutMs: Number.NaN }, /^timeoutMs/],
  ];
  for (const [options, words] of cases) await refused("", () => loose.createDialer(options), "CONFIG_INVALID", words);

  const dialer = createDialer({ routers: [ROUTER] });
  const connect = dialer.connect.bind(dialer) as (service?: unknown) => Promise<unknown>;
  for (const service of [undefined, null, 5, {}, { service: 5 }, { machine: 5, service: "x" }, "web", ""]) {
    await refused(`dialling ${JSON.stringify(service)}`, () => connect(service), "ADDRESS_INVALID", /machine/);
  }
  await dialer.close();
});

test("nodes and dialers are emitters of node:events", async (t) => {
  const { node: router, url } = await startLinkRouter(t);
  assert.ok(router instanceof EventEmitter);
  const heard: string[] = [];
  router.once("linkUp", (link) => heard.push(link.node)).prependListener("linkUp", () => heard.push("first"));
  const up = once(router, "linkUp", { signal: AbortSignal.timeout(15_000) });
  const machine = await startMachine(t, "phone0", url);
  assert.equal((await up)[0].node, "phone0");
  assert.deepEqual(heard, ["first", "phone0"]);
  assert.equal(router.listenerCount("linkUp"), 1, "what was called once is gone");

  const dialer = createDialer({ routers: [url], name: "asker" });
  assert.ok(dialer instanceof EventEmitter);
  const linked = once(dialer, "linkUp");
  machine.serve("hello", { stream: (stream) => void stream.end("hello") });
  const stream = await dialer.connect("phone0.hello");
  stream.destroy();
  assert.equal((await linked)[0].node, "edge");
  const down = once(dialer, "linkDown");
  await router.stop();
  assert.ok((await down)[0].error instanceof PolarityError);
  const closed = once(dialer, "closed");
  await dialer.close();
  await closed;
});
