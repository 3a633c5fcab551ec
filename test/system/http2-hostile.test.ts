/** HTTP/2 from clients that mean harm: each is stopped, and costs others nothing. */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { Socket } from "node:net";
import { test, type TestContext } from "node:test";
import { startHttpApp, startRawApp } from "../support/apps.ts";
import { silentLogger } from "../../src/base/clock.ts";
import { portOf, startNode, startPair, startRouter } from "../support/cluster.ts";
import { askHttp2, http2Session } from "../support/http2-client.ts";
import { fieldBlock, FLAG, FRAME, frame, FrameClient, GET_FIELDS, POST_FIELDS } from "../support/http2-frames.ts";
import { soon, until } from "../support/patience.ts";

const PROTOCOL_ERROR = 0x1;
const ENHANCE_YOUR_CALM = 0xb;

async function hostileClient(t: TestContext, limits: Record<string, string | number> = {}) {
  let asked = 0;
  const seen: string[] = [];
  const app = await startHttpApp(t, (request, response) => {
    asked++;
    seen.push(...request.rawHeaders);
    if (request.url !== "/never") response.end("x");
  });
  const router = await startPair(t, app.url, { limits });
  return {
    router,
    client: new FrameClient(t, router.port),
    /** The names and values that reached the app. */
    seen,
    get asked() {
      return asked;
    },
    /** Others are served as before, and the hostile connection left nothing. */
    async unharmed(): Promise<void> {
      assert.equal((await askHttp2(http2Session(t, router.port), "/")).text, "x");
      await until("nothing under way", () => router.node.view().listeners[0]?.requestsActive === 0);
    },
    errors: () => router.node.view().listeners[0]?.errors ?? {},
  };
}

test("rapid resets: requests taken back as fast as they are sent end the connection", async (t) => {
  const it = await hostileClient(t, { resets: 20 });
  for (let stream = 1; stream < 400; stream += 2) it.client.headers(stream, GET_FIELDS).reset(stream, 8);
  assert.equal(await it.client.goaway(), ENHANCE_YOUR_CALM);
  assert.equal(it.errors()["CLIENT_FLOOD"], 1);
  assert.ok(it.asked < 100, `the app was asked ${it.asked} times`);
  await it.unharmed();
});

test("a client that takes back some requests among those it lets be answered goes on", async (t) => {
  const it = await hostileClient(t, { resets: 5 });
  for (let stream = 1; stream < 200; stream += 4) {
    it.client.headers(stream, GET_FIELDS);
    await it.client.frame("an answer", (answer) => answer.stream === stream && (answer.flags & FLAG.endStream) !== 0);
    it.client.headers(stream + 2, [...GET_FIELDS.slice(0, 3), [":path", "/never"]]).reset(stream + 2, 8);
  }
  assert.ok(!it.client.closed);
  assert.equal(it.errors()["CLIENT_FLOOD"], undefined);
});

test("a head in CONTINUATION frames without end ends the connection", async (t) => {
  const it = await hostileClient(t);
  it.client.send(frame(FRAME.headers, FLAG.endStream, 1, fieldBlock(GET_FIELDS)));
  for (let index = 0; index < 1000; index++) {
    it.client.send(frame(FRAME.continuation, 0, 1, fieldBlock([[`x-${index}`, "y".repeat(1000)]])));
  }
  await until("the connection is closed", () => it.client.closed);
  assert.equal(it.asked, 0);
  await it.unharmed();
});

test("floods of pings, settings and useless credit end the connection", async (t) => {
  const credit = Buffer.from([0, 0, 0, 1]);
  const floods: Record<string, Buffer> = {
    ping: frame(FRAME.ping, 0, 0, Buffer.alloc(8)),
    settings: frame(FRAME.settings, 0, 0),
    credit: frame(FRAME.windowUpdate, 0, 0, credit),
    priority: frame(FRAME.priority, 0, 1, Buffer.alloc(5)),
    unknown: frame(0x60, 0, 0, Buffer.alloc(1000)),
  };
  const it = await hostileClient(t);
  for (const [name, flood] of Object.entries(floods)) {
    const client = new FrameClient(t, it.router.port);
    const burst = Buffer.concat(Array.from({ length: Math.ceil(64_000 / flood.length) }, () => flood));
    for (let sent = 0; sent < 100 && !client.closed; sent++) {
      client.send(burst);
      await new Promise((resolve) => {
        setTimeout(resolve, 5);
      });
    }
    await until(`the connection is closed after a flood of ${name}`, () => client.closed);
  }
  // What node:http2 sees by itself it ends by itself.
  assert.ok((it.errors()["CLIENT_FLOOD"] ?? 0) >= 3);
  await it.unharmed();
});

test("more requests at once than the limit are refused, one by one", async (t) => {
  const it = await hostileClient(t, { streams: 4 });
  for (let stream = 1; stream < 12; stream += 2)
    it.client.headers(stream, [...GET_FIELDS.slice(0, 3), [":path", "/never"]]);
  await it.client.rstStream(9);
  await it.client.rstStream(11);
  await until("the others are asked", () => it.asked === 4);
});

test("heads beyond the limits are refused, in fields, bytes and path", async (t) => {
  const it = await hostileClient(t, { head: "4KiB", fields: 20, target: "100B" });
  const session = http2Session(t, it.router.port);
  const big = await askHttp2(session, "/", { headers: { "x-big": "y".repeat(4060) } });
  assert.equal(big.status, 431);
  const many = Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`x-${index}`, "y"]));
  assert.equal((await askHttp2(session, "/", { headers: many })).status, 431);
  assert.equal((await askHttp2(session, `/${"y".repeat(200)}`)).status, 414);
  it.client.headers(1, [...GET_FIELDS, ["x-huge", "y".repeat(8000)]]);
  await it.client.frame("a refusal", ({ payload }) => payload.includes("HEAD_TOO_LARGE"));
  assert.equal(it.asked, 0);
  await it.unharmed();
});

test("a body beyond the limit is refused, announced or not", async (t) => {
  const it = await hostileClient(t, { body: "1KiB" });
  const session = http2Session(t, it.router.port);
  const announced = { ":method": "POST", "content-length": "2000" };
  assert.equal((await askHttp2(session, "/", { headers: announced, body: Buffer.alloc(2000) })).status, 413);
  const answer = await askHttp2(session, "/never", { headers: { ":method": "POST" }, body: Buffer.alloc(2000) });
  assert.equal(answer.status, 413);
  await it.unharmed();
});

test("fields that mean something else in HTTP/1.1 never become a request", async (t) => {
  const it = await hostileClient(t);
  const start = GET_FIELDS.slice(0, 3);
  const refused: (readonly (readonly [string, string])[])[] = [
    [...GET_FIELDS, ["transfer-encoding", "chunked"]],
    [...GET_FIELDS, ["connection", "close"]],
    [...GET_FIELDS, ["upgrade", "websocket"]],
    [...GET_FIELDS, ["proxy-connection", "keep-alive"]],
    [...GET_FIELDS, ["http2-settings", "AAA"]],
    [...GET_FIELDS, ["te", "gzip"]],
    [...GET_FIELDS, ["host", "other"]],
    [...GET_FIELDS, ["content-length", "1"], ["content-length", "2"]],
    [...GET_FIELDS, ["content-length", "+1"]],
    [...GET_FIELDS, ["content_length", "5"]],
    [...GET_FIELDS, [":path", "/again"]],
    [...GET_FIELDS, ["x", "y"], [":path", "/late"]],
    [...start, [":path", "/a b"]],
    [...start, [":path", "/a HTTP/1.1\r\nx: y"]],
    [...start, [":path", "http://other/"]],
    [...start, [":path", ""]],
    [...start, [":path", "*"]],
    [
      [":method", "GET"],
      [":scheme", "http"],
      [":path", "/"],
    ],
    [[":method", "GE T"], ...GET_FIELDS.slice(1)],
    [[":method", "GET"], [":scheme", "ftp"], ...GET_FIELDS.slice(2)],
    [
      [":method", "GET"],
      [":scheme", "http"],
      [":authority", "a b"],
      [":path", "/"],
    ],
    [
      [":method", "GET"],
      [":scheme", "http"],
      [":authority", "user@x"],
      [":path", "/"],
    ],
    [
      [":method", "CONNECT"],
      [":authority", "x:443"],
    ],
    [[":method", "CONNECT"], [":protocol", "connect-udp"], ...GET_FIELDS.slice(1)],
    [...GET_FIELDS, [":protocol", "websocket"]],
    [...GET_FIELDS, [":odd", "x"]],
  ];
  for (const fields of refused) {
    const client = new FrameClient(t, it.router.port).headers(1, fields);
    const answer = await client.frame(
      JSON.stringify(fields),
      ({ type }) => type === FRAME.rstStream || type === FRAME.goaway || type === FRAME.headers,
    );
    // Ours is a 400; node:http2 resets what it refuses by itself.
    if (answer.type === FRAME.rstStream) assert.equal(answer.payload.readUInt32BE(0), PROTOCOL_ERROR);
    else if (answer.type === FRAME.headers)
      await client.frame("an answer", ({ payload }) => payload.includes("BAD_REQUEST"));
    client.socket.destroy();
  }
  assert.equal(it.asked, 0);
  await it.unharmed();
});

test("fields that are no fields are left out or refused, and never divide into others", async (t) => {
  const it = await hostileClient(t);
  const odd = [
    ["x-odd", "b\r\nx-odd: c"],
    ["x-odd", "b\nc"],
    ["x-odd", "b\0c"],
    ["x-odd\r\nx-odd", "c"],
    ["x-odd: b", "c"],
    ["X-Odd", "c"],
    ["x odd", "c"],
    ["", "c"],
  ] as const;
  for (const field of odd) {
    const client = new FrameClient(t, it.router.port).headers(1, [...GET_FIELDS, field]);
    await client.frame(JSON.stringify(field), ({ type, stream }) => stream === 1 && type !== FRAME.windowUpdate);
    client.socket.destroy();
  }
  assert.deepEqual(
    it.seen.filter((name) => name.toLowerCase().includes("odd") || name === ""),
    [],
  );
  await it.unharmed();
});

test("a body that differs from its announced length is reset, and never complete to the app", async (t) => {
  const it = await hostileClient(t);
  it.client.headers(1, [...POST_FIELDS, ["content-length", "10"]], false);
  it.client.send(frame(FRAME.data, FLAG.endStream, 1, Buffer.from("short")));
  assert.equal(await it.client.rstStream(1), PROTOCOL_ERROR);
  await it.unharmed();
});

test("connections that say nothing, or not even a whole preface, are closed in time", async (t) => {
  const it = await hostileClient(t, { headTimeout: "200ms", idleTimeout: "300ms" });
  await until("the idle connection is closed", () => it.client.closed);
  const silent = new FrameClient(t, it.router.port);
  silent.send(frame(FRAME.headers, FLAG.endStream, 1, fieldBlock(GET_FIELDS)));
  await until("the connection with half a head is closed", () => silent.closed);
  assert.equal(it.asked, 0);
});

test("a request body that stops arriving is answered 408", async (t) => {
  const it = await hostileClient(t, { idleTimeout: "200ms" });
  const session = http2Session(t, it.router.port);
  const stream = session.request({ ":method": "POST", ":path": "/never" }, { endStream: false });
  stream.on("error", () => {});
  stream.write("some");
  const status = await new Promise((resolve) => {
    stream.on("response", (headers) => resolve(headers[":status"]));
  });
  assert.equal(status, 408);
  await it.unharmed();
});

test("an upload that was held back when its answer came leaves no connection behind", async (t) => {
  const router = await startRouter(t, [
    { url: "http://127.0.0.1:0", service: "nobody", waitForOffer: "50ms", limits: { idleTimeout: "200ms" } },
  ]);
  const session = http2Session(t, router.port);
  const upload = session.request({ ":method": "POST", ":path": "/" });
  upload.on("error", () => {});
  const answered = once(upload, "response");
  upload.resume().write(Buffer.alloc(100_000));
  const [headers] = (await soon("the answer", answered)) as [{ ":status": number }];
  assert.equal(headers[":status"], 503);
  await until("the idle connection is closed", () => router.node.view().listeners[0]?.connectionsOpen === 0);
});

test("forbidden trailers behind an early answer that still waits for its client do no harm", async (t) => {
  const app = await startHttpApp(t, (_request, response) => {
    response.write(Buffer.alloc(200_000));
    response.end();
  });
  const router = await startPair(t, app.url);
  const client = new FrameClient(t, router.port);
  client.headers(1, POST_FIELDS, false);
  await client.frame("the first of the answer", ({ type, stream }) => type === FRAME.data && stream === 1);
  await until("all of it is with the stream", () => router.node.view().listeners[0]?.requestsActive === 0);
  // The client's window holds the rest back: its stream is still there.
  client.headers(1, [["host", "elsewhere"]]);
  client.send(frame(FRAME.ping, 0, 0, Buffer.alloc(8)));
  await client.frame("the ping's answer", ({ type, flags }) => type === FRAME.ping && flags === FLAG.ack);
  assert.equal(router.node.view().listeners[0]?.requestsActive, 0);
  assert.equal(router.node.view().listeners[0]?.errors["BAD_REQUEST"], undefined);
});

test("interim answers without end fill no memory while their client does not read, and the answer behind them comes", async (t) => {
  const heads = 20_000;
  let sent = false;
  const app = await startRawApp(t, (socket) => {
    let left = heads;
    const flood = (): void => {
      while (left > 0 && socket.write(`HTTP/1.1 103 Early Hints\r\nLink: </${left--}${"x".repeat(3_000)}>\r\n\r\n`));
      if (left > 0 || sent) return;
      sent = true;
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nend");
    };
    socket.on("drain", flood).once("data", flood);
  });
  const router = await startPair(t, app.url, {}, { protocol: "http/1.1" });
  const client = new FrameClient(t, router.port);
  client.headers(1, GET_FIELDS).socket.pause();
  await until("the app has said everything", () => sent);
  client.socket.resume();
  const end = await client.frame("the answer's end", ({ type, flags }) => type === FRAME.data && flags !== 0);
  assert.equal(end.payload.toString(), "end");
  const interim = client.frames.filter(({ type }) => type === FRAME.headers).length - 1;
  assert.ok(interim > 0 && interim < heads / 2, `${interim} of ${heads} were kept`);
});

test("a client that reads gets every interim answer, however many", async (t) => {
  const rounds = 20;
  const heads = 100;
  const told = (): number => client.frames.filter(({ type }) => type === FRAME.headers).length;
  const answer = async (socket: Socket): Promise<void> => {
    await once(socket, "data");
    for (let round = 1; round <= rounds; round++) {
      for (let index = 0; index < heads; index++) {
        socket.write(`HTTP/1.1 102 Processing\r\nX-Index: ${round} ${index}${"x".repeat(100)}\r\n\r\n`);
      }
      await until("the client has them", () => told() === round * heads);
    }
    socket.write("HTTP/1.1 204 No Content\r\n\r\n");
  };
  const app = await startRawApp(t, (socket) => void answer(socket));
  const router = await startPair(t, app.url, {}, { protocol: "http/1.1" });
  const client = new FrameClient(t, router.port).headers(1, GET_FIELDS);
  await until("the answer behind them", () => told() === rounds * heads + 1);
});

test("requests that never become any are counted and told, and so is who broke the protocol or flooded", async (t) => {
  const app = await startHttpApp(t, (_request, response) => response.end("x"));
  const lines: string[] = [];
  const logger = { ...silentLogger, warn: (_fields: object, message: string) => void lines.push(message) };
  const node = await startNode(
    t,
    { listeners: [{ url: "http://127.0.0.1:0", service: "web" }], services: { web: { target: app.url } } },
    logger,
  );
  const port = portOf(node.addresses.listeners[0] ?? "");
  const refusedBy = (code: string): number => node.view().listeners[0]?.errors[code] ?? 0;
  const told = (what: RegExp): Promise<unknown> => until(String(what), () => lines.some((line) => what.test(line)));

  const odd = [...GET_FIELDS, ["transfer-encoding", "chunked"]] as const;
  const client = new FrameClient(t, port).headers(1, GET_FIELDS).headers(3, odd).headers(5, GET_FIELDS);
  await client.frame("the answer behind it", (it) => it.stream === 5 && (it.flags & FLAG.endStream) !== 0);
  assert.equal(refusedBy("BAD_REQUEST"), 1);
  await told(/^a request of the client 127\.0\.0\.1:\d+ was reset: its fields break the rules of HTTP\/2/);
  client.headers(7, odd);
  await client.rstStream(7);
  await until("the last one is counted too", () => refusedBy("BAD_REQUEST") === 2);
  client.socket.destroy();

  const broken = new FrameClient(t, port);
  broken.send(frame(FRAME.data, 0, 0, Buffer.alloc(1)));
  await until("the connection is closed", () => broken.closed);
  await until("it is counted", () => refusedBy("BAD_REQUEST") === 3);
});
