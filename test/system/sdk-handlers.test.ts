/** What programs serve, reached through an HTTP listener of a router; and what becomes of handlers that fail. */
import assert from "node:assert/strict";
import { createServer, type IncomingMessage, request as httpRequest, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { text } from "node:stream/consumers";
import { test, type TestContext } from "node:test";
import type { PolarityError, ProgramNode, ServiceHandler } from "../../src/index.ts";
import { soon, until } from "../support/patience.ts";
import { startLinkRouter, startMachine, startProgramNode } from "../support/programs.ts";

async function startSides(
  context: TestContext,
): Promise<{ readonly router: ProgramNode; readonly machine: ProgramNode }> {
  const { node, url } = await startLinkRouter(context, { listeners: [{ url: "http://127.0.0.1:0" }] });
  return { router: node, machine: await startMachine(context, "unreachable1", url) };
}

test("a router's HTTP listener reaches handlers that answer in their own time, whatever they are", async (t) => {
  const { router, machine } = await startSides(t);
  const url = `${router.addresses.listeners[0] ?? ""}/a?b=c`;
  const listener = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await text(request);
    response.end(`${request.method} ${request.url} ${request.headers.host} ${body}`);
  };
  const handlers: readonly (readonly [string, ServiceHandler])[] = [
    ["an http.Server", createServer((request, response) => void listener(request, response))],
    ["a request listener", { http: listener }],
    [
      "a slow request listener",
      {
        http: async (request, response) => {
          await delay(20);
          await listener(request, response);
        },
      },
    ],
    [
      "a fetch handler",
      {
        fetch: async (request) => {
          const { host, pathname, search } = new URL(request.url);
          return new Response(`${request.method} ${pathname}${search} ${host} ${await request.text()}`);
        },
      },
    ],
  ];
  for (const [what, handler] of handlers) {
    machine.serve("my-service", handler);
    await until("the offer", () => router.view().services.some(({ name, usable }) => name === "my-service" && usable));
    for (const body of [undefined, "sent"]) {
      const method = body === undefined ? "GET" : "POST";
      const response = await fetch(url, { method, body: body ?? null, headers: { "X-Service-Id": "my-service" } });
      const expected = `${method} /a?b=c ${new URL(url).host} ${body ?? ""}`;
      assert.deepEqual([response.status, await response.text()], [200, expected], `${what} ${method}`);
    }
    machine.unregister("my-service");
  }
  await until("no stream left", () => machine.view().totals.streamsOpen === 0);
});

test("a client that goes away in the middle fails no handler, and a handler that throws is answered for", async (t) => {
  const { router, machine } = await startSides(t);
  const at = new URL(router.addresses.listeners[0] ?? "");
  const failures: PolarityError[] = [];
  machine.on("error", (error) => failures.push(error));
  let asked = 0;
  let done = 0;
  const reads = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    asked++;
    try {
      for await (const chunk of request) response.write(chunk);
      response.end();
    } finally {
      done++;
    }
  };
  const fails = async (request: IncomingMessage): Promise<void> => {
    await text(request);
    throw new Error("out of paper");
  };
  const sync = (): void => {
    throw new Error("out of ink");
  };
  // Node's types know no async listeners, and programs have them all the same.
  const serverOf = (listener: (...parameters: never[]) => unknown): ServiceHandler =>
    createServer(listener as (request: IncomingMessage, response: ServerResponse) => void);
  const readers: readonly ServiceHandler[] = [
    { http: reads },
    serverOf(reads),
    {
      fetch: async (request) => {
        asked++;
        try {
          return new Response(await request.text());
        } finally {
          done++;
        }
      },
    },
  ];
  for (const [turn, handler] of readers.entries()) {
    machine.serve("reads", handler);
    await until("the offer", () => router.view().services.some(({ name, usable }) => name === "reads" && usable));
    const headers = { "X-Service-Id": "reads", "Content-Length": 10 };
    const request = httpRequest({ host: at.hostname, port: at.port, method: "POST", headers });
    request.on("error", () => {});
    request.write("half");
    await until("a request at the handler", () => asked === turn + 1);
    request.destroy();
    await until("the handler's end", () => done === turn + 1);
  }
  assert.deepEqual(failures, [], "a client's going is no failure");
  const failing: readonly (readonly [ServiceHandler, string])[] = [
    [{ http: fails }, "out of paper"],
    [serverOf(fails), "out of paper"],
    [{ http: sync }, "out of ink"],
    [serverOf(sync), "out of ink"],
    [{ fetch: sync as () => Response }, "out of ink"],
  ];
  for (const [handler, words] of failing) {
    machine.serve("fails", handler);
    await until("the offer", () => router.view().services.some(({ name, usable }) => name === "fails" && usable));
    const response = await fetch(at, { method: "POST", body: "x", headers: { "X-Service-Id": "fails" } });
    assert.equal(response.status, 500);
    assert.match(
      (failures as readonly PolarityError[]).at(-1)?.message ?? "",
      new RegExp(`^the handler of service "fails" failed: ${words}`),
    );
  }
  assert.equal(failures.length, failing.length);
  await until("no stream left", () => machine.view().totals.streamsOpen === 0);
});

test("offered as bytes, handlers answer a client that half-closes behind its request, and keep connections", async (t) => {
  const machine = await startProgramNode(t, {
    node: { name: "phone0" },
    listeners: [{ url: "tcp://127.0.0.1:0", service: "bytes" }],
  });
  const { port } = new URL(machine.addresses.listeners[0] ?? "");
  const request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nsent";
  const handlers: readonly ServiceHandler[] = [
    { fetch: async (asked) => new Response(`got ${await asked.text()}`) },
    {
      http: async (asked, response) => {
        const body = await text(asked);
        await delay(5);
        response.end(`got ${body}`);
      },
    },
  ];
  for (const handler of handlers) {
    machine.serve("bytes", handler, { protocol: "tcp" });
    const socket = connect({ port: Number(port), host: "127.0.0.1", allowHalfOpen: true });
    socket.end(request + request);
    const answers = await soon("both answers and the end", text(socket));
    assert.equal(answers.match(/HTTP\/1\.1 200 OK/g)?.length, 2, answers);
    assert.equal(answers.match(/got sent/g)?.length, 2, answers);
  }
  await until("no session left", () => machine.view().totals.requestsActive === 0);
});
