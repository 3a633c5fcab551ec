/** Apps that speak HTTP/2, behind a connector; their clients may speak either version. */
import assert from "node:assert/strict";
import { once } from "node:events";
import {
  createSecureServer,
  createServer,
  type Http2SecureServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { test, type TestContext } from "node:test";
import { TestAuthority } from "../support/certificates.ts";
import { configOf, startPair, startRouter } from "../support/cluster.ts";
import { askHttp2, http2Session } from "../support/http2-client.ts";
import { ask } from "../support/http-client.ts";
import { FRAME, frame } from "../support/http2-frames.ts";
import { until } from "../support/patience.ts";
import { WireClient } from "../support/wire-client.ts";

type OnStream = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, fields: string[]) => void;

async function startHttp2App(
  t: TestContext,
  onStream: OnStream,
  server: Http2Server | Http2SecureServer = createServer(),
) {
  const sessions: ServerHttp2Session[] = [];
  server.on("session", (session: ServerHttp2Session) => {
    sessions.push(session);
    session.on("error", () => {});
  });
  server.on("sessionError", () => {});
  server.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, _flags: number, fields: string[]) => {
    stream.on("error", () => {});
    onStream(stream, headers, fields);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  t.after(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return { server, sessions, port: (server.address() as AddressInfo).port };
}

async function startNodeWith(t: TestContext, url: string, health: { path: string; interval: string; fall: number }) {
  return startRouter(t, [{ url: "http://127.0.0.1:0", service: "web" }], {
    services: { web: { target: url, health } },
  });
}

const target = (port: number): string => `h2c://127.0.0.1:${port}`;

test("requests of both versions share one connection to the app, with fields and bodies as sent", async (t) => {
  const app = await startHttp2App(t, (stream, headers) => {
    const chunks: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("end", () => {
      stream.respond({ ":status": 201, "x-seen": JSON.stringify(headers), "set-cookie": ["a=1", "b=2"] });
      stream.end(Buffer.concat(chunks));
    });
  });
  const router = await startPair(t, target(app.port));
  const first = await ask(router.port, { method: "POST", path: "/x?y", body: "hello", headers: { cookie: "c=d" } });
  assert.deepEqual([first.status, first.text], [201, "hello"]);
  const session = http2Session(t, router.port);
  const many = Array.from({ length: 60 }, (_, index) =>
    askHttp2(session, `/${index}`, { headers: { ":method": "POST" }, body: String(index) }),
  );
  for (const [index, answer] of (await Promise.all(many)).entries()) {
    assert.deepEqual([answer.status, answer.text], [201, String(index)]);
    const seen = JSON.parse(String(answer.headers["x-seen"])) as Record<string, string>;
    assert.equal(seen[":path"], `/${index}`);
    assert.equal(seen["via"], "2 edge");
    assert.equal(seen["transfer-encoding"], undefined);
    assert.deepEqual(answer.headers["set-cookie"], ["a=1", "b=2"]);
  }
  assert.equal(app.sessions.length, 1);
});

test("trailers, interim answers and answers without a body pass", async (t) => {
  const app = await startHttp2App(t, (stream, headers) => {
    let trailers: IncomingHttpHeaders = {};
    stream.on("trailers", (fields) => (trailers = fields));
    if (headers[":path"] === "/204") {
      stream.respond({ ":status": 204 }, { endStream: true });
    } else if (headers[":path"] === "/only") {
      stream.respond({ ":status": 200, "grpc-status": "5" }, { endStream: true });
    } else {
      stream.resume();
      stream.on("end", () => {
        stream.additionalHeaders({ ":status": 103, link: "</x>" });
        stream.respond({ ":status": 200 }, { waitForTrailers: true });
        stream.on("wantTrailers", () => stream.sendTrailers({ "x-got": String(trailers["x-sum"]) }));
        stream.end("body");
      });
    }
  });
  const router = await startPair(t, target(app.port));
  const session = http2Session(t, router.port);
  const answer = await askHttp2(session, "/", {
    headers: { ":method": "POST", te: "trailers" },
    body: "x",
    trailers: { "x-sum": "7" },
  });
  assert.deepEqual([answer.text, answer.trailers?.["x-got"], answer.interim.length], ["body", "7", 1]);
  assert.equal((await askHttp2(session, "/204")).status, 204);
  const only = await askHttp2(session, "/only");
  assert.deepEqual([only.headers["grpc-status"], only.ended], ["5", true]);
  const client = new WireClient(t, router.port).send(
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nx-sum: 8\r\n\r\n",
  );
  await client.readTo("x-got: 8\r\n\r\n");
});

test("more requests at once than the app takes on one connection open another", async (t) => {
  const waiting: ServerHttp2Stream[] = [];
  const app = await startHttp2App(
    t,
    (stream, headers) => {
      if (headers[":path"] === "/first") {
        stream.respond({ ":status": 200 });
        stream.end("first");
      } else waiting.push(stream);
    },
    createServer({ settings: { maxConcurrentStreams: 2 } }),
  );
  const router = await startPair(t, target(app.port));
  assert.equal((await ask(router.port, { path: "/first" })).text, "first");
  const session = http2Session(t, router.port);
  const answers = Array.from({ length: 5 }, () => askHttp2(session, "/"));
  await until("all are asked", () => waiting.length === 5);
  assert.equal(app.sessions.length, 3);
  for (const stream of waiting) {
    stream.respond({ ":status": 200 });
    stream.end("x");
  }
  for (const answer of answers) assert.equal((await answer).text, "x");
});

test("GOAWAY: what is under way is answered, the next request goes over a new connection", async (t) => {
  const waiting: ServerHttp2Stream[] = [];
  const app = await startHttp2App(t, (stream, headers) => {
    if (headers[":path"] === "/wait") waiting.push(stream);
    else {
      stream.respond({ ":status": 200 });
      stream.end("x");
    }
  });
  const router = await startPair(t, target(app.port));
  const slow = ask(router.port, { path: "/wait" });
  await until("it is asked", () => waiting.length === 1);
  app.sessions[0]?.close();
  await until("another connection", async () => {
    assert.equal((await ask(router.port)).text, "x");
    return app.sessions.length === 2;
  });
  waiting[0]?.respond({ ":status": 200 });
  waiting[0]?.end("late");
  assert.equal((await slow).text, "late");
});

test("a request that the app refuses before it begins it is asked again, and no other is", async (t) => {
  let asked = 0;
  const app = await startHttp2App(t, (stream, headers) => {
    asked++;
    stream.resume();
    if (headers[":path"] === "/refused" && asked === 1) stream.close(7);
    else if (headers[":path"] === "/broken") stream.close(2);
    else {
      stream.respond({ ":status": 200 });
      stream.end("x");
    }
  });
  const router = await startPair(t, target(app.port));
  assert.equal((await ask(router.port, { method: "POST", path: "/refused", body: "once" })).text, "x");
  assert.equal(asked, 2);
  const broken = await ask(router.port, { method: "POST", path: "/broken", body: "once" });
  assert.deepEqual([broken.status, broken.headers["x-polarity-error"]], [502, "TARGET_FAILED"]);
  assert.equal(asked, 3);
});

test("an answer that breaks off never looks whole, whatever code the app gives", async (t) => {
  const app = await startHttp2App(t, (stream, headers) => {
    stream.respond({ ":status": 200 }, { waitForTrailers: true });
    stream.write("half", () => stream.close(Number(String(headers[":path"]).slice(1))));
    // Without trailers there is no END_STREAM: the reset is all that comes.
    stream.on("wantTrailers", () => {});
  });
  const router = await startPair(t, target(app.port));
  const session = http2Session(t, router.port);
  for (const code of [0, 2, 8]) {
    const answer = await askHttp2(session, `/${code}`);
    assert.deepEqual([code, answer.text, answer.code, answer.ended], [code, "half", 2, false]);
  }
});

test("a client that goes away, and one that reads slowly, are felt by the app", async (t) => {
  const reset = Promise.withResolvers<number>();
  let written = 0;
  const app = await startHttp2App(t, (stream, headers) => {
    if (headers[":path"] === "/gone") {
      stream.on("close", () => reset.resolve(stream.rstCode));
      stream.respond({ ":status": 200 });
      stream.write("begun");
      return;
    }
    stream.resume();
    stream.respond({ ":status": 200 });
    const chunk = Buffer.alloc(64 * 1024);
    const push = (): void => {
      while (written < 64 * 1024 * 1024) {
        written += chunk.length;
        if (!stream.write(chunk)) return;
      }
      stream.end();
    };
    stream.on("drain", push);
    push();
  });
  const router = await startPair(t, target(app.port));
  const session = http2Session(t, router.port);
  const gone = session.request({ ":path": "/gone" });
  gone.on("error", () => {});
  await once(gone, "response");
  gone.close(8);
  assert.equal(await reset.promise, 8);
  const big = session.request({ ":path": "/big" });
  await once(big, "response");
  big.pause();
  let before = -1;
  await until("the app has to wait", () => {
    const still = written > 0 && written === before;
    before = written;
    return still;
  });
  assert.ok(written < 16 * 1024 * 1024, `the app could write ${written} bytes`);
  let read = 0;
  big.on("data", (data: Buffer) => (read += data.length));
  big.resume();
  await once(big, "end");
  assert.equal(read, 64 * 1024 * 1024);
});

test("an app that cannot be reached, does not answer, or does not speak HTTP/2 is named", async (t) => {
  const app = await startHttp2App(t, () => {});
  const silent = await startPair(t, target(app.port), {}, { responseTimeout: "200ms" });
  assert.equal((await ask(silent.port)).headers["x-polarity-error"], "TARGET_TIMEOUT");
  const nobody = await startPair(t, "h2c://127.0.0.1:1");
  assert.equal((await ask(nobody.port)).headers["x-polarity-error"], "TARGET_UNREACHABLE");
  const upgrade = await ask(silent.port, { headers: { connection: "upgrade", upgrade: "websocket" } });
  assert.deepEqual([upgrade.status, upgrade.headers["x-polarity-error"]], [502, "TARGET_PROTOCOL"]);
});

test("an https app is asked over HTTP/2 where its service says so", async (t) => {
  const authority = await TestAuthority.create();
  const { cert, key } = await authority.issue({ commonName: "app", ips: ["127.0.0.1"] });
  const app = await startHttp2App(
    t,
    (stream, headers) => {
      stream.respond({ ":status": 200 });
      stream.end(`${headers[":scheme"]} ${stream.session?.alpnProtocol}`);
    },
    createSecureServer({ cert, key }),
  );
  const url = `https://127.0.0.1:${app.port}`;
  const router = await startPair(
    t,
    url,
    { url: "http://127.0.0.1:0" },
    { protocol: "h2", tls: { insecureSkipVerify: true } },
  );
  assert.equal((await ask(router.port)).text, "https h2");
});

test("what cannot be is refused in the configuration", () => {
  const service = (more: object) => () => configOf({ services: { web: { target: "h2c://127.0.0.1:1", ...more } } });
  service({})();
  assert.throws(service({ protocol: "http/1.1" }), /write http:\/\/ for HTTP\/1\.1/);
  assert.throws(service({ proxyProtocol: "v2" }), /share the connections/);
});

test("an app is checked over HTTP/2", async (t) => {
  let healthy = false;
  const app = await startHttp2App(t, (stream, headers) => {
    const up = headers[":path"] !== "/healthz" || healthy;
    stream.respond({ ":status": up ? 200 : 503 }, { endStream: true });
  });
  const health = { path: "/healthz", interval: "100ms", fall: 1 };
  const { node } = await startNodeWith(t, target(app.port), health);
  const up = (): boolean => node.view().services.find(({ name }) => name === "web")?.offers[0]?.usable === true;
  await until("it is down", () => !up());
  healthy = true;
  await until("it is up", up);
});

test("requests that are taken back in a crowd do not make the app close the connection of others", async (t) => {
  let slow: ServerHttp2Stream | undefined;
  let waiting = 0;
  const app = await startHttp2App(t, (stream, headers) => {
    if (headers[":path"] === "/slow") slow = stream;
    else if (headers[":path"] === "/hang") waiting++;
    else stream.end("here");
  });
  const router = await startPair(t, target(app.port));
  const answer = ask(router.port, { path: "/slow" });
  await until("the neighbour's request", () => slow !== undefined);
  // More than Node's server takes at once before it closes the connection.
  const count = 1_200;
  const sessions = Array.from({ length: 4 }, () => http2Session(t, router.port));
  for (const session of sessions) {
    for (let index = 0; index < count / sessions.length; index++) {
      session.request({ ":path": "/hang" }).on("error", () => {});
    }
  }
  await until("all of them wait", () => waiting === count);
  for (const session of sessions) session.destroy();
  await until("all of them are over", () => router.node.view().listeners[0]?.requestsActive === 1);
  assert.equal((await ask(router.port, { path: "/" })).text, "here");
  slow!.respond({ ":status": 200 });
  slow!.end("at last");
  assert.equal((await answer).text, "at last");
  assert.equal(router.connector.view().services.length, 1);
});

test("blanks at the ends of fields and trailers are left out on the way, the fields are not", async (t) => {
  const seen: (readonly string[])[] = [];
  const app = await startHttp2App(t, (stream, _headers, fields) => {
    seen.push(fields);
    stream.on("trailers", (_trailers: object, _flags: number, trailers: string[]) => seen.push(trailers));
    stream.resume();
    stream.on("end", () => {
      stream.respond({ ":status": 200, "x-answer": " a " }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "x-end": "\tb " }));
      stream.end("x");
    });
  });
  const router = await startPair(t, target(app.port));
  const answer = await askHttp2(http2Session(t, router.port), "/", {
    headers: { ":method": "POST", authorization: " Bearer x ", "x-empty": " " },
    body: "y",
    trailers: { "x-sum": " 7\t" },
  });
  assert.deepEqual([answer.headers["x-answer"], answer.trailers?.["x-end"]], ["a", "b"]);
  const [fields, trailers] = seen as [string[], string[]];
  assert.equal(fields[fields.indexOf("authorization") + 1], "Bearer x");
  assert.equal(fields[fields.indexOf("x-empty") + 1], "");
  assert.deepEqual(trailers, ["x-sum", "7"]);
});

test("whose requests an app cuts by ending their connection are told how it ended it", async (t) => {
  let waiting: ServerHttp2Stream[] = [];
  const app = await startHttp2App(t, (stream) => waiting.push(stream));
  const sockets: Socket[] = [];
  app.server.on("connection", (socket: Socket) => sockets.push(socket));
  const router = await startPair(t, target(app.port));
  for (const [code, how, end] of [
    ["TARGET_FAILED", "it ended the connection by GOAWAY with code 11", () => app.sessions.at(-1)?.goaway(11)],
    ["TARGET_FAILED", "it closed the connection", () => sockets.at(-1)?.end()],
    [
      "TARGET_PROTOCOL",
      "it broke HTTP/2: Protocol error",
      () => sockets.at(-1)?.write(frame(FRAME.data, 0, 0, Buffer.alloc(1))),
    ],
    ["TARGET_FAILED", "it reset the stream with code 2", () => waiting.forEach((stream) => stream.close(2))],
  ] as const) {
    waiting = [];
    const answers = [1, 2].map(() => ask(router.port, { method: "POST", body: "x" }));
    await until("both are asked", () => waiting.length === 2);
    end();
    for (const answer of answers) {
      const { status, text } = await answer;
      assert.equal(status, 502);
      assert.match(text, new RegExp(`${code}.*broke off without an answer: ${how}`, "s"), how);
    }
  }
});
