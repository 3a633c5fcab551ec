/** Nodes within a program: their life, what they tell as it happens, and what configurations do to them. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import {
  type ConfigInput,
  connectAndServe,
  createNode,
  ERRORS,
  PolarityError,
  type NodeEvents,
  type ProgramNode,
} from "../../src/index.ts";
import { startRawApp } from "../support/apps.ts";
import { soon, until } from "../support/patience.ts";
import { failure, startDialer, startLinkRouter, startProgramNode, told } from "../support/programs.ts";

/** The names of what the node tells, in order. */
function heard(node: ProgramNode, ...names: (keyof NodeEvents)[]): string[] {
  const events: string[] = [];
  for (const name of names) node.on(name, () => events.push(name));
  return events;
}

test("a node tells what happens to its links and offers, each end after its beginning", async (t) => {
  const router = createNode({ node: { name: "edge" }, links: { accept: [{ url: "tcp://127.0.0.1:0" }] } });
  t.after(() => router.stop());
  const listening = told(router, "listening");
  const events = heard(router, "linkUp", "linkDown", "offerAdded", "offerRemoved", "draining", "stopped");
  await router.start();
  const [url = ""] = (await listening).links;
  assert.match(url, /^tcp:\/\/127\.0\.0\.1:\d+$/);
  assert.deepEqual(router.addresses.links, [url]);

  const linked = told(router, "linkUp");
  const offered = told(router, "offerAdded");
  const machine = await connectAndServe({
    routers: [url],
    name: "phone0",
    services: { hello: { stream: (stream) => void stream.end("hello") } },
  });
  t.after(() => machine.stop());
  assert.equal((await soon("a link", linked)).node, "phone0");
  const { service, node, protocol, weight } = await soon("an offer", offered);
  assert.deepEqual(
    { service, node, protocol, weight },
    { service: "hello", node: "phone0", protocol: "tcp", weight: 1 },
  );

  const gone = told(router, "linkDown");
  assert.deepEqual(await machine.drain(), { cutOff: 0 });
  assert.ok((await soon("the link's end", gone)).error instanceof PolarityError);
  await router.drain();
  assert.deepEqual(events, ["linkUp", "offerAdded", "offerRemoved", "linkDown", "draining", "stopped"]);
});

test("failing dials are told, and end when a router is there", async (t) => {
  const { node, url } = await startLinkRouter(t);
  await node.stop();
  const machine = createNode({ node: { name: "phone0" }, links: { dial: [{ url }] } });
  t.after(() => machine.stop());
  const failed = told(machine, "dialFailed");
  await machine.start();
  assert.deepEqual(await failed.then((event) => [event.url, event.error.code]), [url, "LINK_UNREACHABLE"]);
  const up = told(machine, "linkUp");
  await startProgramNode(t, { node: { name: "edge" }, links: { accept: [{ url }] } });
  assert.equal((await soon("a link", up)).node, "edge");
});

test("a listener that throws is the program's problem, and the others hear all the same", async (t) => {
  const script = `
    const { createNode } = await import(${JSON.stringify(new URL("../../src/index.ts", import.meta.url).href)});
    const node = createNode({});
    process.once("uncaughtException", (error) => console.log("uncaught", error.message));
    node.on("listening", () => { throw new Error("of a listener"); });
    node.on("listening", () => console.log("second"));
    await node.start();
    await node.stop();
  `;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => child.kill());
  assert.equal(await text(child.stdout), "second\nuncaught of a listener\n");
});

test("a listener that is taken off hears nothing, and waiting for an event can be given up", async (t) => {
  const node = createNode({});
  t.after(() => node.stop());
  let count = 0;
  const listener = (): void => void count++;
  node.on("listening", listener);
  node.on("listening", () => count++);
  node.off("listening", listener);
  await node.start();
  assert.equal(count, 1);
  await assert.rejects(once(node, "linkUp", { signal: AbortSignal.abort() }), { name: "AbortError" });
});

test("what a program serves is reached by the node's own listeners, and stays over a reload", async (t) => {
  const listeners = [{ url: "tcp://127.0.0.1:0", service: "hello" }];
  const node = await startProgramNode(t, { node: { name: "edge" }, listeners });
  node.serve("hello", { stream: (stream) => void stream.end("hello") });
  const app = await startRawApp(t, (socket) => socket.end("app"));
  await node.reload({ listeners, services: { other: { target: app.url } } });
  assert.deepEqual(
    node
      .view()
      .services.map(({ name }) => name)
      .sort(),
    ["hello", "other"],
  );
  const socket = connect(Number(new URL(node.addresses.listeners[0]!).port), "127.0.0.1");
  assert.equal(await text(socket), "hello");
  assert.equal((await failure(node.reload({ listeners: [{ url: "nonsense" }] }))).code, "CONFIG_INVALID");
});

test("errors are matched by their code", async (t) => {
  const app = await startRawApp(t, () => {});
  const node = createNode({ listeners: [{ url: app.url, service: "any" }] });
  t.after(() => node.stop());
  const error = await failure(node.start());
  assert.ok(error instanceof PolarityError && error.code === "ADDRESS_IN_USE");
  assert.equal(ERRORS[error.code].fault, "operator");
  assert.throws(
    () => createNode({ listeners: [{ url: "x", lisen: 1 } as never] }),
    (thrown: unknown) => {
      return thrown instanceof PolarityError && thrown.message.includes("listeners[0]");
    },
  );
});

test("a drain lets streams of handlers end, and cuts off those that do not", async (t) => {
  const { url } = await startLinkRouter(t);
  const machine = createNode({ node: { name: "phone0", drainTimeout: "300ms" }, links: { dial: [{ url }] } });
  t.after(() => machine.stop());
  machine.serve("stays", { stream: (stream) => void stream.write("here") });
  await machine.start();
  const dialer = startDialer(t, { routers: [url] });
  const stream = await dialer.connect("phone0.stays");
  await once(stream, "data");
  const broken = once(stream, "error");
  assert.ok((await machine.drain()).cutOff >= 1);
  const [error] = (await broken) as [PolarityError];
  assert.ok(error instanceof PolarityError);
});

test("offers that are refused over and over do not fill the logs of either side", async (t) => {
  const lines: string[] = [];
  const write = (_fields: object, message: string): void => void lines.push(message);
  const logger = { debug: () => {}, info: () => {}, warn: write, error: write };
  const start = async (config: ConfigInput): Promise<ProgramNode> => {
    const node = createNode(config, { logger });
    t.after(() => node.stop());
    // Of both, so that each is the first to offer it at home.
    node.serve("taken", { stream: () => {} });
    await node.start();
    return node;
  };
  const router = await start({ node: { name: "edge" }, links: { accept: [{ url: "tcp://127.0.0.1:0" }] } });
  const machine = await start({
    node: { name: "phone0" },
    links: { dial: [{ url: router.addresses.links[0] ?? "" }] },
  });
  await soon("the link", told(machine, "linkUp"));
  const last = told(router, "offerAdded");
  for (let round = 0; round < 1000; round++) machine.serve("taken", { stream: () => {} });
  machine.serve("free", { stream: () => {} });
  await soon("the last offer", last);
  const refused = lines.filter((line) => line.startsWith('an offer of node "phone0" is refused'));
  assert.match(refused[0] ?? "", /service "taken" belongs to another identity/);
  assert.ok(refused.length < 10, `${refused.length} lines`);
  await until("the other side's words", () => lines.some((line) => line.includes('edge" says:')));
  assert.ok(lines.length < 200, `${lines.length} lines`);
});
