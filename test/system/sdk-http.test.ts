/** HTTP between programs: every client that a dialer serves, against every kind of handler and an app behind a URL. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, request as httpRequest, type ServerResponse } from "node:http";
import { connect as connectHttp2, createServer as createHttp2Server } from "node:http2";
import { createServer as createHttpsServer, request as httpsRequest } from "node:https";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { text } from "node:stream/consumers";
import { test, type TestContext } from "node:test";
import { Agent, fetch as undiciFetch, request as undiciRequest } from "undici";
import { WebSocket, WebSocketServer } from "ws";
import type { Dialer, PolarityError, ProgramNode, ServiceHandler } from "../../src/index.ts";
import { startHttpApp } from "../support/apps.ts";
import { TestAuthority } from "../support/certificates.ts";
import { soon, until } from "../support/patience.ts";
import { startDialer, startLinkRouter, startMachine } from "../support/programs.ts";

interface Sides {
  readonly router: ProgramNode;
  readonly machine: ProgramNode;
  readonly dialer: Dialer;
}

async function startSides(context: TestContext): Promise<Sides> {
  const { node, url } = await startLinkRouter(context, { listeners: [{ url: "http://127.0.0.1:0" }] });
  const machine = await startMachine(context, "unreachable1", url);
  return { router: node, machine, dialer: startDialer(context, { routers: [url] }) };
}

const answer = (method: string, url: string, host: string, body: string): string => `${method} ${url} ${host} ${body}`;

/** The same service, served in every way. */
async function handlers(context: TestContext): Promise<readonly (readonly [string, ServiceHandler | string])[]> {
  const listener = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await text(request);
    response.setHeader("X-Seen", "yes");
    response.end(answer(request.method ?? "", request.url ?? "", request.headers.host ?? "", body));
  };
  const app = await startHttpApp(context, (request, response) => void listener(request, response));
  return [
    ["an app behind a URL", app.url],
    ["an http.Server", createServer((request, response) => void listener(request, response))],
    ["a request listener", { http: (request, response) => void listener(request, response) }],
    [
      "a fetch handler",
      {
        fetch: async (request) => {
          const { host, pathname, search } = new URL(request.url);
          return new Response(answer(request.method, pathname + search, host, await request.text()), {
            headers: { "X-Seen": "yes" },
          });
        },
      },
    ],
  ];
}

type Ask = (
  dialer: Dialer,
  url: string,
  body: string | undefined,
) => Promise<{ status: number; seen: string | null; text: string }>;

const clients: readonly (readonly [string, Ask])[] = [
  [
    "http.request with the agent",
    async (dialer, url, body) => {
      const request = httpRequest(url, { agent: dialer.agent(), method: body === undefined ? "GET" : "POST" });
      request.end(body);
      const [response] = (await once(request, "response")) as [IncomingMessage];
      const seen = response.headers["x-seen"];
      return {
        status: response.statusCode ?? 0,
        seen: seen === undefined ? null : String(seen),
        text: await text(response),
      };
    },
  ],
  ["the dialer's fetch", async (dialer, url, body) => await read(await dialer.fetch(url, options(body)))],
  [
    "the global fetch with the dispatcher",
    async (dialer, url, body) => await read(await fetch(url, { ...options(body), dispatcher: dialer.dispatcher() })),
  ],
  [
    "undici's fetch with the dispatcher",
    async (dialer, url, body) =>
      await read(await undiciFetch(url, { ...options(body), dispatcher: dialer.dispatcher() as unknown as Agent })),
  ],
  [
    "undici's request with the dispatcher",
    async (dialer, url, body) => {
      const response = await undiciRequest(url, {
        ...options(body),
        dispatcher: dialer.dispatcher() as unknown as Agent,
      });
      const seen = response.headers["x-seen"];
      return {
        status: response.statusCode,
        seen: seen === undefined ? null : String(seen),
        text: await response.body.text(),
      };
    },
  ],
  [
    "undici's Agent with the connector",
    async (dialer, url, body) => {
      const agent = new Agent({ connect: dialer.connector(), pipelining: 0 });
      try {
        return await read(await undiciFetch(url, { ...options(body), dispatcher: agent }));
      } finally {
        await agent.close();
      }
    },
  ],
];

function options(body: string | undefined): { method: "GET" | "POST"; body?: string } {
  return body === undefined ? { method: "GET" } : { method: "POST", body };
}

async function read(response: {
  status: number;
  headers: { get(name: string): string | null };
  text(): Promise<string>;
}) {
  return { status: response.status, seen: response.headers.get("x-seen"), text: await response.text() };
}

test("http://machine.service/path works with every client, whatever serves it", async (t) => {
  const { machine, dialer } = await startSides(t);
  for (const [what, handler] of await handlers(t)) {
    machine.register("my-service", handler as ServiceHandler);
    for (const [client, ask] of clients) {
      const got = await ask(dialer, "http://unreachable1.my-service/foo?a=1&b=%2F", undefined);
      const host = "unreachable1.my-service";
      assert.deepEqual(
        got,
        { status: 200, seen: "yes", text: answer("GET", "/foo?a=1&b=%2F", host, "") },
        `${client}, ${what}`,
      );
      const posted = await ask(dialer, "http://unreachable1.my-service:8080/x", "sent");
      assert.equal(posted.text, answer("POST", "/x", `${host}:8080`, "sent"), `${client}, ${what}`);
    }
    machine.unregister("my-service");
  }
});

test("hundreds of requests at once share the dialer's link", async (t) => {
  const { machine, dialer } = await startSides(t);
  machine.serve("my-service", { fetch: async (request) => new Response(await request.text()) });
  const agent = dialer.agent();
  const asked = Array.from({ length: 300 }, async (_, index) => {
    const request = httpRequest("http://unreachable1.my-service/", { agent, method: "POST" });
    request.end(`body ${index}`);
    const [response] = (await once(request, "response")) as [IncomingMessage];
    assert.equal(await text(response), `body ${index}`);
  });
  await soon("all answers", Promise.all(asked));
  await until("no stream left", () => machine.view().totals.streamsOpen === 0);
  assert.equal(Object.keys(agent.freeSockets).length, 0);
});

test("bodies stream both ways at once, and a client that leaves is heard of", async (t) => {
  const { machine, dialer } = await startSides(t);
  const left = Promise.withResolvers<void>();
  machine.serve("my-service", {
    fetch: (request) => {
      if (request.method === "POST") return new Response(request.body);
      request.signal.addEventListener("abort", () => left.resolve());
      const events = new ReadableStream<Uint8Array>({
        start: (controller) => controller.enqueue(Buffer.from("data: 1\n\n")),
        cancel: () => {},
      });
      return new Response(events, { headers: { "Content-Type": "text/event-stream" } });
    },
  });
  let send: ReadableStreamDefaultController<Uint8Array> | undefined;
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => {
      send = controller;
    },
  });
  const asked = dialer.fetch("http://unreachable1.my-service/", { method: "POST", body, duplex: "half" });
  const response = await soon("a response before the body's end", asked);
  const reader = response.body!.getReader();
  for (const word of ["one", "two"]) {
    send?.enqueue(Buffer.from(word));
    const { value } = await reader.read();
    assert.equal(Buffer.from(value ?? []).toString(), word);
  }
  send?.close();
  assert.equal((await reader.read()).done, true);

  const abort = new AbortController();
  const stream = await dialer.fetch("http://unreachable1.my-service/", { signal: abort.signal });
  const events = stream.body!.getReader();
  assert.equal(Buffer.from((await events.read()).value ?? []).toString(), "data: 1\n\n");
  abort.abort();
  await soon("the handler's signal", left.promise);
});

test("large bodies arrive whole, up and down", async (t) => {
  const { machine, dialer } = await startSides(t);
  machine.serve(
    "my-service",
    createServer((request, response) => void request.pipe(response)),
  );
  const sent = randomBytes(8 * 1024 * 1024);
  const response = await dialer.fetch("http://unreachable1.my-service/", { method: "PUT", body: sent });
  const received = Buffer.from(await response.arrayBuffer());
  const hash = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");
  assert.equal(hash(received), hash(sent));
});

test("a router's HTTP listener reaches what a program serves, websockets included", async (t) => {
  const { router, machine, dialer } = await startSides(t);
  const server = createServer((request, response) => {
    response.end(`${String(request.headers["x-forwarded-for"])} ${request.socket.remoteAddress}`);
  });
  const webSockets = new WebSocketServer({ noServer: true });
  server.on("upgrade", (request, socket, head) => {
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      webSocket.on("message", (data, isBinary) => webSocket.send(data, { binary: isBinary }));
    });
  });
  machine.serve("chat", server);
  await until("the offer", () => router.view().services.some(({ name, usable }) => name === "chat" && usable));
  const url = router.addresses.listeners[0]!;
  for (let turn = 0; turn < 3; turn++) {
    assert.equal(await (await fetch(`${url}/`, { headers: { "X-Service-Id": "chat" } })).text(), "127.0.0.1 127.0.0.1");
  }
  const ways = [
    () => new WebSocket(url.replace("http", "ws"), { headers: { "X-Service-Id": "chat" } }),
    () => new WebSocket("ws://unreachable1.chat/", { agent: dialer.agent() }),
  ];
  for (const way of ways) {
    const webSocket = way();
    await soon("an open websocket", once(webSocket, "open"));
    webSocket.send("ping");
    const [data] = (await once(webSocket, "message")) as [Buffer];
    assert.equal(data.toString(), "ping");
    webSocket.close();
    await soon("a closed websocket", once(webSocket, "close"));
  }
  const builtIn = new globalThis.WebSocket("ws://unreachable1.chat/", { dispatcher: dialer.dispatcher() });
  const heard = new Promise((resolve) => {
    builtIn.addEventListener("message", ({ data }) => resolve(data));
  });
  builtIn.addEventListener("open", () => builtIn.send("built in"));
  assert.equal(await soon("an answer", heard), "built in");
  const closed = new Promise((resolve) => {
    builtIn.addEventListener("close", resolve);
  });
  builtIn.close();
  await soon("a closed websocket", closed);
});

test("HTTP/2 and TLS run inside of raw streams", async (t) => {
  const { machine, dialer } = await startSides(t);
  const http2 = createHttp2Server((request, response) => response.end(`h2 ${request.url}`));
  await once(http2.listen(0, "127.0.0.1"), "listening");
  t.after(() => http2.close());
  machine.register("grpc", `tcp://127.0.0.1:${(http2.address() as AddressInfo).port}`);
  const session = connectHttp2("http://unreachable1.grpc", {
    createConnection: () => dialer.open("unreachable1.grpc"),
  });
  for (const path of ["/a", "/b"]) assert.equal(await text(session.request({ ":path": path })), `h2 ${path}`);
  await new Promise<void>((resolve) => {
    session.close(resolve);
  });

  const authority = await TestAuthority.create();
  const certificate = await authority.issue({ dns: ["unreachable1.secure"] });
  const https = createHttpsServer(certificate, (_request, response) => response.end("secret"));
  machine.serve("secure", { stream: (stream) => void https.emit("connection", stream) });
  const request = httpsRequest("https://unreachable1.secure/", { agent: dialer.agent(), ca: authority.cert });
  request.end();
  const [response] = (await soon("a response", once(request, "response"))) as [IncomingMessage];
  assert.equal(await text(response), "secret");
});

test("errors of a dial are the errors of the request", async (t) => {
  const { machine, dialer } = await startSides(t);
  const request = httpRequest("http://unreachable1.absent/", { agent: dialer.agent({ timeoutMs: 300 }) });
  request.end();
  const [error] = (await once(request, "error")) as [PolarityError];
  assert.equal(error.code, "NO_OFFER");
  await assert.rejects(
    fetch("http://unreachable1.absent/", { dispatcher: dialer.dispatcher({ timeoutMs: 300 }) }),
    (thrown: Error) => {
      assert.equal((thrown.cause as PolarityError).code, "NO_OFFER");
      return true;
    },
  );

  const failures: PolarityError[] = [];
  machine.on("error", (failed) => failures.push(failed));
  machine.serve("my-service", {
    fetch: (asked) => {
      if (asked.method === "GET") throw new Error("cannot");
      let chunks = 0;
      return new Response(
        new ReadableStream({
          pull: (controller) => {
            if (chunks++ === 0) controller.enqueue(Buffer.from("half an ans"));
            else controller.error(new Error("broke"));
          },
        }),
      );
    },
  });
  assert.equal((await dialer.fetch("http://unreachable1.my-service/")).status, 500);
  const cut = await dialer.fetch("http://unreachable1.my-service/", { method: "POST" });
  await assert.rejects(cut.text(), "what was cut does not look complete");
  assert.deepEqual(
    failures.map(({ code }) => code),
    ["TARGET_FAILED", "TARGET_FAILED"],
  );
});

test("a response that only its connection's end delimits is whole", async (t) => {
  const { machine, dialer } = await startSides(t);
  machine.serve("old", {
    stream: (stream) => {
      stream.once("data", () => stream.end("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end"));
    },
  });
  const request = httpRequest("http://unreachable1.old/", { agent: dialer.agent({ protocol: "tcp" }) });
  request.end();
  const [response] = (await once(request, "response")) as [IncomingMessage];
  assert.equal(await text(response), "until the end");
});

test("whole connections of HTTP are kept alive where a service is offered as bytes", async (t) => {
  const { machine, dialer } = await startSides(t);
  const server = createServer((_request, response) => response.end("ok"));
  let connections = 0;
  server.on("connection", () => connections++);
  machine.serve("bytes", server, { protocol: "tcp" });
  const agent = dialer.agent({ protocol: "tcp" });
  for (let turn = 0; turn < 3; turn++) {
    const request = httpRequest("http://unreachable1.bytes/", { agent });
    request.end();
    const [response] = (await once(request, "response")) as [IncomingMessage];
    assert.equal(await text(response), "ok");
    await delay(5);
  }
  assert.equal(connections, 1);
  agent.destroy();
});

test("a peer that smuggles, dawdles or hangs up does not bring a serving node down", async (t) => {
  const { machine, dialer } = await startSides(t);
  let asked = 0;
  machine.serve(
    "my-service",
    createServer((_request, response) => {
      asked++;
      response.end("ok");
    }),
  );
  const attacks = [
    "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "GET http://other/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\n\r\n",
    "\0\u0001\u0002",
    `GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(70_000)}\r\n\r\n`,
    "GET / HT",
  ];
  for (const words of attacks) {
    const stream = await dialer.connect("unreachable1.my-service", { protocol: "http/1.1" });
    const over = once(stream, "close").catch(() => {});
    stream.on("error", () => {});
    stream.resume();
    stream.end(words, "latin1");
    await soon(`an end of ${words.slice(0, 30)}`, over);
  }
  assert.ok(asked <= 1, "nothing but the first of two requests was asked");
  assert.equal(await (await dialer.fetch("http://unreachable1.my-service/")).text(), "ok");
});
