/** Streams that programs dial and serve: a router and a machine linked to it, by the package's entry alone. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as delay } from "node:timers/promises";
import { buffer, text } from "node:stream/consumers";
import { test } from "node:test";
import { PolarityError, type ServiceStream } from "../../src/index.ts";
import { startRawApp } from "../support/apps.ts";
import { soon, until } from "../support/patience.ts";
import { failure, startDialer, startLinkRouter, startMachine, startProgramNode, told } from "../support/programs.ts";

test("a dialled stream reaches a handler on another machine, and both ends half-close", async (t) => {
  const { url } = await startLinkRouter(t);
  const machine = await startMachine(t, "phone0", url);
  machine.serve("upper.case", {
    stream: async (stream) => void stream.end((await said(stream)).toUpperCase()),
  });
  const dialer = startDialer(t, { routers: [url] });
  const stream = await dialer.connect("phone0.upper.case:8080");
  assert.equal(stream.service, "upper.case");
  assert.equal(stream.machine, "phone0");
  stream.end("said before the end, answered after it");
  assert.equal(await text(stream), "SAID BEFORE THE END, ANSWERED AFTER IT");
});

test("apps behind URLs are dialled like handlers, and registered and unregistered at run time", async (t) => {
  const { node, url } = await startLinkRouter(t);
  const machine = await startMachine(t, "phone0", url);
  const app = await startRawApp(t, (socket) => socket.end("a server that speaks first"));
  machine.register("greeting", app.url, { weight: 2 });
  const dialer = startDialer(t, { routers: [url] });
  assert.equal(await text(await dialer.connect("phone0.greeting")), "a server that speaks first");
  const withdrawn = told(node, "offerRemoved");
  machine.unregister("greeting");
  assert.equal((await withdrawn).service, "greeting");
  assert.equal((await failure(dialer.connect("phone0.greeting", { timeoutMs: 200 }))).code, "NO_OFFER");
  assert.throws(() => machine.unregister("greeting"), { code: "SERVICE_UNKNOWN" });
  assert.throws(() => machine.register("greeting", "nonsense://x"), { code: "CONFIG_INVALID" });
});

test("data right behind the dial arrives, before anybody knows that somebody serves", async (t) => {
  const { url } = await startLinkRouter(t);
  const dialer = startDialer(t, { routers: [url] });
  const stream = dialer.open("phone0.echo");
  assert.equal(stream.connecting, true);
  stream.end("early");
  const answer = text(stream);
  const machine = await startMachine(t, "phone0", url);
  machine.serve("echo", { stream: (served) => void served.pipe(served) });
  assert.equal(await answer, "early");
  assert.equal(stream.connecting, false);
});

test("a gigabit's worth goes both ways at once, whole, and a reader that pauses stops the writer", async (t) => {
  const { url } = await startLinkRouter(t);
  const machine = await startMachine(t, "phone0", url);
  machine.serve("echo", { stream: (stream) => void stream.pipe(stream) });
  const dialer = startDialer(t, { routers: [url] });
  const stream = await dialer.connect("phone0.echo");
  const block = randomBytes(64 * 1024);
  const blocks = 256;
  const sent = createHash("sha256");
  const source = Readable.from(
    (function* () {
      for (let at = 0; at < blocks; at++) {
        sent.update(block);
        yield block;
      }
    })(),
  );
  const received = createHash("sha256");
  let bytes = 0;
  await Promise.all([
    pipeline(source, stream, { end: true }).catch((error: unknown) => {
      // The pipeline closes a duplex that it wrote to only when both sides are over.
      throw error;
    }),
    (async () => {
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        received.update(chunk);
        bytes += chunk.length;
      }
    })(),
  ]);
  assert.equal(bytes, blocks * block.length);
  assert.equal(received.digest("hex"), sent.digest("hex"));

  const stalled = await dialer.connect("phone0.echo");
  const offeredBytes = 64 * 1024 * 1024;
  for (let written = 0; written < offeredBytes; written += block.length) stalled.write(block);
  const kept = await until("a writer that waits", async () => {
    const before = stalled.writableLength;
    await delay(100);
    return stalled.writableLength === before ? before : undefined;
  });
  assert.ok(kept > offeredBytes / 2, `what is not read is not sent: ${kept} bytes wait`);
  stalled.destroy();
});

test("a stream that is destroyed is reset at the other end, with a code on both sides", async (t) => {
  const { url } = await startLinkRouter(t);
  const machine = await startMachine(t, "phone0", url);
  const served = Promise.withResolvers<ServiceStream>();
  machine.serve("sink", { stream: (stream) => served.resolve(stream) });
  machine.serve("fails", {
    stream: async (stream) => {
      await once(stream, "data");
      throw new Error("out of paper");
    },
  });
  machine.serve("limited", {
    stream: (stream) => void stream.destroy(new PolarityError("LIMITED", "too often")),
  });
  const errors: PolarityError[] = [];
  machine.on("error", (error) => errors.push(error));
  const dialer = startDialer(t, { routers: [url] });

  const dialled = await dialer.connect("phone0.sink");
  dialled.write("x");
  const far = await served.promise;
  const gone = once(far, "error") as Promise<[PolarityError]>;
  dialled.destroy();
  const [reason] = await soon("a reset", gone);
  assert.ok(reason instanceof PolarityError);

  const failing = await dialer.connect("phone0.fails");
  failing.write("x");
  const [broken] = (await once(failing, "error")) as [PolarityError];
  assert.equal(broken.code, "TARGET_FAILED");
  assert.match(broken.message, /out of paper/);
  assert.equal(errors[0]?.code, "TARGET_FAILED");

  const limited = dialer.open("phone0.limited");
  const [told] = (await once(limited, "error")) as [PolarityError];
  assert.equal(told.code, "LIMITED");
});

test("a machine with two links, and two machines of one name, share the work", async (t) => {
  const { url } = await startLinkRouter(t);
  const counts = [0, 0];
  for (const [index] of counts.entries()) {
    const machine = await startMachine(t, "phone0", url, url);
    machine.serve("count", {
      stream: (stream) => {
        counts[index]!++;
        stream.end(stream.service);
      },
    });
  }
  const dialer = startDialer(t, { routers: [url] });
  for (let turn = 0; turn < 60; turn++) {
    const stream = await dialer.connect("phone0.count");
    stream.end();
    await text(stream);
  }
  assert.equal(counts[0]! + counts[1]!, 60);
  assert.ok(
    counts.every((count) => count > 10),
    `balanced: ${counts.join(" and ")}`,
  );
});

test("service names may hold anything", async (t) => {
  const { url } = await startLinkRouter(t);
  const machine = await startMachine(t, "phone0", url);
  const dialer = startDialer(t, { routers: [url] });
  const names = [
    "a,b",
    "two words",
    "line\nbreak",
    "tab\tbed",
    "UPPER",
    "dots.and.dots",
    "50%",
    "a%2Fb",
    "schöne/grüße?#@",
    "日本",
    "k=3d",
    "7",
    ".x.",
    "xn--p",
    "nbsp\u00a0",
    "*",
  ];
  for (const name of names) {
    machine.serve(name, { stream: (stream) => void stream.end(`raw ${name}`) });
    assert.equal(await text(await dialer.connect({ machine: "phone0", service: name })), `raw ${name}`, name);
    machine.serve(name, { fetch: () => new Response(`http ${name}`) });
    const link = dialer.url({ machine: "phone0", service: name }, "/path?query");
    assert.equal(await (await dialer.fetch(link)).text(), `http ${name}`, link);
    machine.unregister(name);
  }
  machine.serve("two words", { stream: (stream) => void stream.end("percent") });
  assert.equal(await text(await dialer.connect("phone0.two%20words")), "percent");
  assert.deepEqual(
    machine
      .view()
      .services.map((service) => service.name)
      .filter((name) => name.includes("words")),
    ["two%20words"],
  );
});

test("a node reaches its own services and those of its connectors by name, too", async (t) => {
  const router = await startProgramNode(t, {
    node: { name: "edge" },
    links: { accept: [{ url: "tcp://127.0.0.1:0" }] },
  });
  router.serve("here", { stream: (stream) => void stream.end("of the router") });
  const dialer = startDialer(t, { routers: [router.addresses.links[0]!] });
  assert.equal(await text(await dialer.connect("edge.here")), "of the router");
  assert.equal(await text(await dialer.connect(".here")), "of the router");
});

test("bytes that were not read when both sides had ended are read all the same", async (t) => {
  const { url } = await startLinkRouter(t);
  const machine = await startMachine(t, "phone0", url);
  const body = randomBytes(100_000);
  machine.serve("body", {
    stream: (stream) => {
      stream.resume();
      stream.end(body);
    },
  });
  const dialer = startDialer(t, { routers: [url] });
  const stream = await dialer.connect("phone0.body");
  stream.end();
  await once(stream, "finish");
  assert.deepEqual(await buffer(stream), body);
});

/** Everything that a stream says, without closing our side of it as iterating would. */
async function said(stream: ServiceStream): Promise<string> {
  let whole = "";
  stream.on("data", (chunk: Buffer) => {
    whole += chunk.toString();
  });
  await once(stream, "end");
  return whole;
}
