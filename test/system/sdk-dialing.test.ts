/** Dials that fail, wait, are given up or come from strangers: what the program hears, and when. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFile, mkdtemp, rm } from "node:fs/promises";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test, type TestContext } from "node:test";
import { createDialer, PolarityError } from "../../src/index.ts";
import { TestAuthority } from "../support/certificates.ts";
import { soon } from "../support/patience.ts";
import { failure, startDialer, startLinkRouter, startMachine, startProgramNode } from "../support/programs.ts";

test("a name that is no machine.service says which form is meant", async (t) => {
  const dialer = startDialer(t, { routers: ["tcp://127.0.0.1:1"] });
  for (const name of ["phone0", "phone0.", "", "pho ne.web", "phone0:80"]) {
    const error = await failure(dialer.connect(name));
    assert.equal(error.code, "ADDRESS_INVALID", name);
  }
  assert.match(
    (await failure(dialer.connect("phone0"))).message,
    /expected machine\.service such as phone0\.web.*"phone0"/,
  );
  await assert.rejects(dialer.fetch("http://phone0/"), (error: Error) => {
    return error.cause instanceof PolarityError && error.cause.code === "ADDRESS_INVALID";
  });
});

test("resolvers say which router to ask: maps, functions, and what is set by hand", async (t) => {
  const west = await startLinkRouter(t, {}, "west");
  const east = await startLinkRouter(t, {}, "east");
  for (const [name, { url }] of [
    ["phone0", west],
    ["phone1", east],
  ] as const) {
    const machine = await startMachine(t, name, url);
    machine.serve("name", { stream: (stream) => void stream.end(name) });
  }
  const bySet = startDialer(t, { resolver: {} });
  bySet.resolver.set("phone0", west.url);
  assert.equal(await text(await bySet.connect("phone0.name")), "phone0");
  bySet.resolver.set("phone0", undefined);
  const unknown = await failure(bySet.connect("phone0.name"));
  assert.equal(unknown.code, "MACHINE_UNKNOWN");
  assert.match(unknown.message, /machine "phone0" is not known/);

  const resolvers = [
    { phone0: west.url, phone1: [east.url] },
    new Map([
      ["phone0", west.url],
      ["phone1", east.url],
    ]),
    async (machine: string) => await Promise.resolve({ phone0: west.url, phone1: east.url }[machine]),
  ];
  for (const resolver of resolvers) {
    const dialer = startDialer(t, { resolver });
    assert.equal(await text(await dialer.connect("phone0.name")), "phone0");
    assert.equal(await text(await dialer.connect("phone1.name")), "phone1");
    assert.equal((await failure(dialer.connect("phone2.name"))).code, "MACHINE_UNKNOWN");
    assert.equal((await failure(dialer.connect("toString.name"))).code, "MACHINE_UNKNOWN");
  }
  const failing = startDialer(t, { resolver: () => Promise.reject(new Error("directory is down")) });
  assert.match((await failure(failing.connect("phone0.name"))).message, /directory is down/);

  const asking = startDialer(t, { routers: [west.url, east.url] });
  assert.equal(await text(await asking.connect("phone0.name")), "phone0");
  assert.equal(await text(await asking.connect("phone1.name")), "phone1");
});

test("links are shared by all that is dialled, and dialled again when they break", async (t) => {
  const { node, url } = await startLinkRouter(t);
  const machine = await startMachine(t, "phone0", url);
  machine.serve("name", { stream: (stream) => void stream.end("here") });
  const dialer = startDialer(t, { routers: [url], name: "desk" });
  for (let turn = 0; turn < 5; turn++) assert.equal(await text(await dialer.connect("phone0.name")), "here");
  assert.equal(node.view().links.filter((link) => link.node === "desk").length, 1);
  await node.stop();
  const again = await startProgramNode(t, { node: { name: "edge" }, links: { accept: [{ url }] } });
  assert.equal(again.addresses.links[0], url);
  assert.equal(await text(await dialer.connect("phone0.name", { timeoutMs: 15_000 })), "here");
});

test("a dial ends in its time, with the best reason that there is", async (t) => {
  const { url } = await startLinkRouter(t);
  await startMachine(t, "phone0", url);
  const dialer = startDialer(t, { routers: [url] });
  const nobody = await failure(dialer.connect("phone0.web", { timeoutMs: 500 }));
  assert.equal(nobody.code, "NO_OFFER");
  const absent = await failure(dialer.connect("phone9.web", { timeoutMs: 500 }));
  assert.equal(absent.code, "NO_OFFER");

  const down = startDialer(t, { routers: ["tcp://127.0.0.1:1"] });
  const refused = await failure(down.connect("phone0.web", { timeoutMs: 500 }));
  assert.equal(refused.code, "LINK_UNREACHABLE");
  assert.match(refused.message, /tcp:\/\/127\.0\.0\.1:1/);

  const silent = await startSilentServer(t);
  const waiting = startDialer(t, { routers: [silent] });
  assert.equal((await failure(waiting.connect("phone0.web", { timeoutMs: 200 }))).code, "DIAL_TIMEOUT");

  const lost = startDialer(t, { resolver: () => new Promise<undefined>(() => {}) });
  const unresolved = await failure(lost.connect("phone0.web", { timeoutMs: 100 }));
  assert.equal(unresolved.code, "DIAL_TIMEOUT");
  assert.throws(() => dialer.open("phone0.web", { timeoutMs: 0 }), { code: "CONFIG_INVALID" });
});

test("a service that cannot be reached at the machine is an error of the dial", async (t) => {
  const { url } = await startLinkRouter(t);
  const machine = await startMachine(t, "phone0", url);
  machine.register("db", "tcp://127.0.0.1:1");
  const dialer = startDialer(t, { routers: [url] });
  assert.equal((await failure(dialer.connect("phone0.db", { timeoutMs: 2_000 }))).code, "TARGET_UNREACHABLE");
});

test("a request that cannot be made fails once, and leaves no dial behind that could end the program", async (t) => {
  const { url } = await startLinkRouter(t);
  const dialer = startDialer(t, { routers: [url] });
  const uncaught: unknown[] = [];
  const note = (error: unknown): void => void uncaught.push(error);
  process.on("uncaughtException", note);
  t.after(() => process.off("uncaughtException", note));
  const errors: Error[] = [];
  for (const wrong of [{ headers: { "x-odd": "a\nb" } }, { body: 5 }]) {
    // As undici calls it.
    const dispatcher = dialer.dispatcher({ timeoutMs: 100 }) as unknown as { dispatch(...call: unknown[]): boolean };
    const request = { origin: "http://unreachable1.absent", path: "/", method: "POST", ...wrong };
    dispatcher.dispatch(request, {
      onRequestStart: () => {},
      onResponseError: (_controller: unknown, error: Error) => errors.push(error),
    });
  }
  await dialer.connect("unreachable1.absent", { timeoutMs: 300 }).catch(() => {});
  assert.equal(errors.length, 2);
  assert.deepEqual(uncaught, []);
});

test("a signal ends a dial at every stage, and the stream after it", async (t) => {
  const { url } = await startLinkRouter(t);
  const machine = await startMachine(t, "phone0", url);
  machine.serve("echo", { stream: (stream) => void stream.pipe(stream) });
  const reason = new Error("no longer wanted");
  const dialer = startDialer(t, { routers: [url] });
  assert.equal(await failure(dialer.connect("phone0.echo", { signal: AbortSignal.abort(reason) })), reason);

  const stages = [
    startDialer(t, { resolver: () => new Promise<undefined>(() => {}) }),
    startDialer(t, { routers: [await startSilentServer(t)] }),
    dialer,
  ];
  for (const [stage, slow] of stages.entries()) {
    const abort = new AbortController();
    const failed = failure(slow.connect(stage === 2 ? "phone0.absent" : "phone0.echo", { signal: abort.signal }));
    setImmediate(() => abort.abort(reason));
    assert.equal(await failed, reason, `stage ${stage}`);
  }

  const abort = new AbortController();
  const stream = await dialer.connect("phone0.echo", { signal: abort.signal });
  abort.abort(reason);
  const [error] = (await once(stream, "error")) as [Error];
  assert.equal(error, reason);
});

test("tokens and certificates let a dialer in, and without them it hears so at once", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "polarity-sdk-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const authority = await TestAuthority.create();
  const { cert, key } = await authority.issue({ ips: ["127.0.0.1"] });
  const files = {
    "edge.crt": cert,
    "edge.key": key,
    "ca.crt": authority.cert,
    "tokens.yaml": "phone: let-me-in\ndesk: me-too\n",
  };
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content, { mode: 0o600 });
  const file = (name: string): string => join(folder, name);
  const router = await startProgramNode(t, {
    links: {
      accept: [
        {
          url: "tcp://127.0.0.1:0",
          tls: { cert: file("edge.crt"), key: file("edge.key") },
          auth: { tokensFile: file("tokens.yaml") },
        },
      ],
    },
  });
  const url = router.addresses.links[0]!.replace("tcp:", "tls:");
  const machine = await startProgramNode(t, {
    node: { name: "phone0" },
    links: { dial: [{ url, token: "let-me-in", tls: { ca: file("ca.crt") } }] },
  });
  machine.serve("hello", { stream: (stream) => void stream.end("hello") });

  const known = startDialer(t, { routers: [url], token: "me-too", tls: { ca: file("ca.crt") } });
  assert.equal(await text(await known.connect("phone0.hello")), "hello");
  const stranger = startDialer(t, { routers: [url], token: "guessed", tls: { ca: file("ca.crt") } });
  const refused = await soon("a refusal", failure(stranger.connect("phone0.hello", { timeoutMs: 30_000 })), 5_000);
  assert.equal(refused.code, "AUTH_FAILED");
  const again = await soon("another", failure(stranger.connect("phone0.hello", { timeoutMs: 30_000 })), 1_000);
  assert.equal(again.code, "AUTH_FAILED");
  const trusting = startDialer(t, { routers: [url], token: "me-too" });
  const untrusted = await failure(trusting.connect("phone0.hello", { timeoutMs: 500 }));
  assert.equal(untrusted.code, "LINK_UNREACHABLE");
  assert.ok(!refused.message.includes("guessed"), "a token is in no message");
});

test("a router that breaks the protocol, or talks nonsense, fails the dial and nothing else", async (t) => {
  const said = [
    "HTTP/1.1 400 Bad Request\r\n\r\n",
    "\0\0\0\x01\0\0\0\x01\xff\xff\xff\xff",
    "\x16\x03\x01\x02",
    `{"type":"welcome"}\n`,
  ];
  for (const words of said) {
    const url = await startServer(t, (socket) => socket.end(words, "latin1"));
    const dialer = startDialer(t, { routers: [url] });
    const error = await failure(dialer.connect("phone0.web", { timeoutMs: 400 }));
    assert.ok(error instanceof PolarityError, words);
  }
});

test("a closed dialer ends what it dialled, and dials no more", async (t) => {
  const { url } = await startLinkRouter(t);
  const machine = await startMachine(t, "phone0", url);
  machine.serve("echo", { stream: (stream) => void stream.pipe(stream) });
  const dialer = createDialer({ routers: [url] });
  const stream = await dialer.connect("phone0.echo");
  const pending = failure(dialer.connect("phone0.absent"));
  const ended = once(stream, "error") as Promise<[PolarityError]>;
  await dialer.close();
  await dialer.close();
  assert.equal((await ended)[0].code, "NODE_STOPPED");
  assert.equal((await pending).code, "NODE_STOPPED");
  assert.equal((await failure(dialer.connect("phone0.echo"))).code, "NODE_STOPPED");
});

test("options that cannot be are refused when the dialer is made", () => {
  assert.throws(() => createDialer({ routers: ["ftp://example.com"] }), { code: "CONFIG_INVALID" });
  assert.throws(() => createDialer({ routers: ["tcp://127.0.0.1:1"], timeoutMs: -1 }), { code: "CONFIG_INVALID" });
  assert.throws(() => createDialer({ routers: ["tcp://127.0.0.1:1"], token: "a", tokenFile: "b" }), PolarityError);
});

/** Accepts and says nothing. */
function startSilentServer(context: TestContext): Promise<string> {
  return startServer(context, (socket) => socket.resume());
}

async function startServer(context: TestContext, accepted: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => {}));
    accepted(socket);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  context.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
