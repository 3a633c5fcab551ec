/**
 * Handlers that do wrong, and clients that leave at each stage: no such thing ends the process, each failure is heard of once,
 * and no stream stays open. The handlers run in this process: whatever is uncaught or unhandled fails the test.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, request as httpRequest, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { test, type TestContext } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import type { HttpHandler, PolarityError, ProgramNode, ServiceHandler } from "../../src/index.ts";
import { createNode } from "../../src/index.ts";
import { soon, until } from "../support/patience.ts";
import { startDialer, startLinkRouter, startMachine } from "../support/programs.ts";

interface World {
  readonly machine: ProgramNode;
  readonly url: URL;
  readonly link: string;
  readonly failures: PolarityError[];
  readonly serve: (handler: ServiceHandler) => Promise<void>;
  readonly settled: () => Promise<void>;
}

async function startWorld(context: TestContext): Promise<World> {
  const { node: router, url: link } = await startLinkRouter(context, { listeners: [{ url: "http://127.0.0.1:0" }] });
  const machine = await startMachine(context, "phone0", link);
  const failures: PolarityError[] = [];
  machine.on("error", (error) => failures.push(error));
  return {
    machine,
    url: new URL(router.addresses.listeners[0] ?? ""),
    link,
    failures,
    serve: async (handler) => {
      failures.length = 0;
      machine.serve("app", handler);
      await until("the offer", () => router.view().services.some(({ name, usable }) => name === "app" && usable));
    },
    settled: async () => {
      await until("no stream left", () => machine.view().totals.streamsOpen === 0);
      for (let at = 0; at < 5; at++) await turn();
    },
  };
}

/** An answer that broke off: before its head had left the router, or behind it. */
const isCut = (status: number | undefined): boolean => status === 502 || status === undefined;

const BODY = "x".repeat(200_000);
const HEADERS = { "X-Service-Id": "app" };

test("handlers that do wrong fail alone, and are heard of", async (t) => {
  const { url, failures, serve, settled } = await startWorld(t);
  const late = async (response: ServerResponse): Promise<void> => {
    await once(response, "close");
    throw new Error("too late");
  };
  const wrongs: Readonly<Record<string, { handler: HttpHandler; status: number | "cut"; failure?: RegExp }>> = {
    "never reads, and answers": { handler: (_request, response) => void response.end("ok"), status: 200 },
    "destroys the request": { handler: (request) => void request.destroy(), status: 502 },
    "destroys it for a reason": { handler: (request) => void request.destroy(new Error("no")), status: 502 },
    "destroys the response": { handler: (_request, response) => void response.destroy(), status: 502 },
    "writes after the end": {
      handler: (_request, response) => {
        response.end("ok");
        response.write("more");
      },
      status: 200,
      failure: /write after end/,
    },
    "answers twice": {
      handler: (_request, response) => {
        response.writeHead(200).end("ok");
        response.writeHead(404).end("not ok");
      },
      status: 200,
      failure: /ERR_HTTP_HEADERS_SENT|headers/i,
    },
    "throws after the head": {
      handler: (_request, response) => {
        response.writeHead(200, { "Content-Length": 10 }).write("half");
        throw new Error("in the middle");
      },
      status: "cut",
      failure: /in the middle/,
    },
    "rejects before it answers": {
      handler: async () => {
        await turn();
        throw new Error("early");
      },
      status: 500,
      failure: /early/,
    },
    "rejects when all is over": {
      handler: (_request, response) => {
        response.end("ok");
        return late(response);
      },
      status: 200,
      failure: /too late/,
    },
    "throws what is no error": {
      handler: () => {
        // oxlint-disable-next-line typescript/only-throw-error -- programs do
        throw null;
      },
      status: 500,
      failure: /null/,
    },
  };
  for (const [what, { handler, status, failure }] of Object.entries(wrongs)) {
    for (const [kind, served] of [
      ["http", { http: handler }],
      // oxlint-disable-next-line typescript/no-misused-promises -- programs give async listeners to servers
      ["server", createServer(handler)],
    ] as const) {
      await serve(served);
      const asked = fetch(url, { method: "POST", body: BODY, headers: HEADERS });
      const got = await soon(
        `an outcome of ${what}`,
        asked
          .then(async (response) => {
            await response.text();
            return response.status;
          })
          .catch(() => undefined),
      );
      assert.ok(status === "cut" ? isCut(got) : got === status, `${kind}: ${what}: ${got}`);
      if (failure !== undefined) await until(`word of ${what}`, () => failures.length > 0);
      await settled();
      assert.equal(failures.length, failure === undefined ? 0 : 1, `${kind}: ${what}: ${failures.map(String).join()}`);
      if (failure !== undefined) assert.match(failures[0]?.message ?? "", failure);
    }
  }
});

test("fetch handlers that do wrong fail alone", async (t) => {
  const { url, failures, serve, settled } = await startWorld(t);
  const wrongs: readonly (readonly [string, (request: Request) => unknown, number | "cut", number])[] = [
    ["nothing", () => undefined, 500, 1],
    ["a text", () => "hello", 500, 1],
    ["an error", () => Response.error(), 500, 1],
    [
      "a used body",
      (request) => {
        const used = new Response("x");
        void used.text();
        return request.method === "" ? undefined : used;
      },
      "cut",
      1,
    ],
    ["a body that fails", () => new Response(Readable.toWeb(Readable.from(failing())) as ReadableStream), "cut", 1],
    ["an unread request", () => new Response("ok"), 200, 0],
  ];
  for (const [what, handler, status, heard] of wrongs) {
    await serve({ fetch: handler as () => Response });
    const asked = fetch(url, { method: "POST", body: BODY, headers: HEADERS });
    const got = await soon(
      what,
      asked
        .then(async (response) => {
          await response.text();
          return response.status;
        })
        .catch(() => undefined),
    );
    assert.ok(status === "cut" ? isCut(got) : got === status, `${what}: ${got}`);
    await settled();
    assert.equal(failures.length, heard, `${what}: ${failures.map(String).join()}`);
  }
});

async function* failing(): AsyncGenerator<string> {
  yield "half";
  await turn();
  throw new Error("broke");
}

test("channels and raw streams whose handlers throw, at once or later, end alone", async (t) => {
  const { machine, link, failures, settled } = await startWorld(t);
  const dialer = startDialer(t, { routers: [link] });
  const throws = (): never => {
    throw new Error("on purpose");
  };
  const rejects = async (): Promise<never> => {
    await turn();
    return throws();
  };
  const acceptors: readonly ServiceHandler[] = [
    { channel: throws },
    { channel: rejects as never },
    { channel: () => ({ onReceive: throws }) },
    // oxlint-disable-next-line typescript/no-misused-promises -- what types refuse, programs do
    { channel: () => ({ onReceive: rejects }) },
    { channel: () => ({ onReceive: throws, onClose: throws }) },
  ];
  for (const [index, handler] of acceptors.entries()) {
    for (const kind of ["websocket", "http", "stream"] as const) {
      failures.length = 0;
      machine.serve("chat", handler, { protocol: kind === "stream" ? "tcp" : "http/1.1" });
      const closed = Promise.withResolvers<unknown>();
      const channel = await dialer
        .channel("phone0.chat", () => ({ onClose: closed.resolve }), { kind })
        .catch(() => undefined);
      channel?.send("something");
      if (channel !== undefined) await soon(`a close of ${kind} ${index}`, closed.promise);
      await settled();
      assert.ok(failures.length > 0 && failures.length <= 2, `${kind} ${index}: ${failures.length} failures`);
    }
  }
  for (const stream of [throws, rejects]) {
    failures.length = 0;
    machine.serve("raw", { stream });
    const dialled = dialer.open("phone0.raw");
    const [error] = (await soon("an error", once(dialled, "error"))) as [PolarityError];
    assert.match(error.message, /on purpose/);
    assert.equal(failures.length, 1);
    await settled();
  }
});

test("clients that leave at any stage fail nothing, and leave nothing open", async (t) => {
  const { url, failures, serve, settled } = await startWorld(t);
  const reads = async (request: Parameters<HttpHandler>[0], response: ServerResponse): Promise<void> => {
    response.flushHeaders();
    for await (const chunk of request) response.write(chunk);
    response.end("end");
  };
  const handlers: readonly ServiceHandler[] = [
    { http: reads },
    { http: (request, response) => void request.pipe(response) },
    { http: (_request, response) => void response.write(BODY.repeat(20)) },
    { fetch: async (request) => new Response((await request.text()) + BODY) },
    { fetch: (request) => new Response(request.body) },
    {
      fetch: async (request) =>
        await new Promise((_resolve, reject) => {
          request.signal.addEventListener("abort", () => reject(request.signal.reason as Error));
        }),
    },
    { channel: (channel) => ({ onReceive: (data) => void channel.send(data) }) },
    {
      stream: async (stream) => {
        for await (const chunk of stream) stream.write(chunk as Buffer);
      },
    },
  ];
  const head = `POST / HTTP/1.1\r\nHost: ${url.host}\r\nX-Service-Id: app\r\nContent-Length: ${BODY.length}\r\n\r\n`;
  const whole = head + BODY;
  const stages = [10, head.length - 2, head.length, head.length + 1, head.length + 100_000, whole.length];
  for (const handler of handlers) {
    await serve(handler);
    for (const stage of stages) {
      for (const leave of ["destroy", "resetAndDestroy"] as const) {
        const socket = connect(Number(url.port), url.hostname);
        socket.on("error", () => {});
        await new Promise<void>((resolve) => void socket.write(whole.slice(0, stage), () => resolve()));
        if (stage % 2 === 0) await turn();
        socket[leave]();
      }
    }
    const abort = new AbortController();
    const asked = httpRequest(url, { method: "POST", headers: HEADERS, signal: abort.signal });
    asked.on("error", () => {});
    asked.write("x");
    asked.once("response", () => abort.abort());
    setTimeout(() => abort.abort(), 50);
    await new Promise((resolve) => {
      asked.on("close", resolve);
    });
    await settled();
    assert.deepEqual(failures.map(String), []);
  }
});

test("what no listener hears is logged, once in ten seconds with a count", async (t) => {
  const { node: router, url } = await startLinkRouter(t);
  assert.equal(router.listenerCount("error"), 0);
  const lines: string[] = [];
  const write = (_fields: object, message: string): void => void lines.push(message);
  const logger = { debug: () => {}, info: () => {}, warn: () => {}, error: write };
  const machine = createNode({ node: { name: "phone0" }, links: { dial: [{ url }] } }, { logger });
  machine.serve("app", {
    fetch: () => {
      throw new Error("out of paper");
    },
  });
  await machine.start();
  const dialer = startDialer(t, { routers: [url] });
  for (let at = 0; at < 5; at++) assert.equal((await dialer.fetch("http://phone0.app/")).status, 500);
  assert.deepEqual(lines, ['the handler of service "app" failed: out of paper']);
  await machine.stop();
  assert.equal(lines.length, 2);
  assert.match(lines[1] ?? "", /out of paper \(and 3 like it not shown\)/);
});

test("with neither listener nor logger, standard error has it, and the program goes on", async (t) => {
  const { node: router, url } = await startLinkRouter(t);
  const script = `
    const { connectAndServe } = await import(${JSON.stringify(new URL("../../src/index.ts", import.meta.url).href)});
    const fail = async () => { throw new Error("out of ink"); };
    await connectAndServe({ routers: [${JSON.stringify(url)}], name: "phone0", services: { app: { http: fail } } });
  `;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  t.after(() => child.kill());
  const said = text(child.stderr);
  await until("the offer", () => router.view().services.some(({ name, usable }) => name === "app" && usable));
  const dialer = startDialer(t, { routers: [url] });
  for (let at = 0; at < 3; at++) assert.equal((await dialer.fetch("http://phone0.app/")).status, 500);
  assert.equal(child.exitCode, null);
  child.kill();
  const [first, second, third = ""] = (await said).split("\n");
  assert.equal(first, 'polarity: the handler of service "app" failed: out of ink');
  assert.equal(second, "Error: out of ink");
  assert.match(third, /^ +at .*fail/);
});
