/** HTTP/2 as clients speak it, through a router, a link and a connector to an app that speaks HTTP/1.1. */
import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import type { ServerResponse } from "node:http";
import { test } from "node:test";
import { startHttpApp, startWireApp } from "../support/apps.ts";
import { startConnector, startPair, startRouter } from "../support/cluster.ts";
import { askHttp2, http2Session } from "../support/http2-client.ts";
import { FLAG, FRAME, frame, FrameClient, GET_FIELDS, POST_FIELDS } from "../support/http2-frames.ts";
import { ask } from "../support/http-client.ts";
import { soon, until } from "../support/patience.ts";

test("one port takes HTTP/1.1 and HTTP/2, and many requests at once on one connection", async (t) => {
  const app = await startHttpApp(t, (request, response) => response.end(`${request.method} ${request.url}`));
  const router = await startPair(t, app.url);
  assert.equal((await ask(router.port, { path: "/one" })).text, "GET /one");
  const session = http2Session(t, router.port);
  const answers = await Promise.all(Array.from({ length: 250 }, (_, index) => askHttp2(session, `/${index}`)));
  assert.deepEqual(
    answers.map(({ status, text, code }) => ({ status, text, code })),
    answers.map((_, index) => ({ status: 200, text: `GET /${index}`, code: 0 })),
  );
  assert.equal(router.node.view().listeners[0]?.connectionsTotal, 2);
});

test("an app sees an HTTP/2 request as it sees any other, and who sent it", async (t) => {
  const app = await startHttpApp(t, (request, response) => {
    response.setHeader("Set-Cookie", ["a=1", "b=2"]);
    response.end(JSON.stringify({ version: request.httpVersion, method: request.method, headers: request.headers }));
  });
  const router = await startPair(t, app.url);
  const session = http2Session(t, router.port);
  const { headers, text } = await askHttp2(session, "/x?y", {
    headers: { ":authority": "shop.example", cookie: ["a=1", "b=2"], "x-forwarded-for": "1.2.3.4", "x-custom": "é" },
  });
  const seen = JSON.parse(text) as { version: string; headers: Record<string, string> };
  assert.equal(seen.version, "1.1");
  assert.equal(seen.headers["host"], "shop.example");
  assert.equal(seen.headers["cookie"], "a=1; b=2");
  assert.equal(seen.headers["x-forwarded-for"], "127.0.0.1");
  assert.equal(seen.headers["x-forwarded-proto"], "http");
  assert.equal(seen.headers["via"], "2 edge");
  assert.equal(seen.headers["x-custom"], "é");
  assert.equal(headers["via"], "1.1 edge");
  assert.deepEqual(headers["set-cookie"], ["a=1", "b=2"]);
  assert.equal(headers["connection"], undefined);
  assert.equal(headers["keep-alive"], undefined);
  assert.equal(headers["transfer-encoding"], undefined);
});

test("bodies and trailers pass both ways, with a length and without", async (t) => {
  const app = await startHttpApp(t, (request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      response.writeHead(200, { Trailer: "x-sum" });
      response.write(`${request.headers["content-length"]} ${request.headers["transfer-encoding"]} `);
      response.write(`${JSON.stringify(request.trailers)} ${Buffer.concat(chunks).toString()}`);
      response.addTrailers({ "x-sum": "7" });
      response.end();
    });
  });
  const router = await startPair(t, app.url);
  const session = http2Session(t, router.port);
  const sized = await askHttp2(session, "/", {
    headers: { ":method": "POST", "content-length": "5" },
    body: "hello",
  });
  assert.equal(sized.text, "5 undefined {} hello");
  assert.equal(sized.trailers?.["x-sum"], "7");
  const chunked = await askHttp2(session, "/", {
    headers: { ":method": "POST", te: "trailers" },
    body: "hello",
    trailers: { "x-checksum": "abc" },
  });
  assert.equal(chunked.text, 'undefined chunked {"x-checksum":"abc"} hello');
  assert.equal(chunked.trailers?.["x-sum"], "7");
  assert.equal(chunked.code, 0);
  const announced = await askHttp2(session, "/", {
    headers: { ":method": "POST", "content-length": "5", trailer: "x-checksum" },
    body: "hello",
    trailers: { "x-checksum": "abc" },
  });
  assert.equal(announced.text, 'undefined chunked {"x-checksum":"abc"} hello');
});

test("HEAD, 204, 304, empty bodies and interim answers arrive as what they are", async (t) => {
  const app = await startHttpApp(t, (request, response) => {
    if (request.url === "/204") response.writeHead(204).end();
    else if (request.url === "/304") response.writeHead(304, { ETag: '"x"' }).end();
    else if (request.url === "/empty") response.writeHead(200, { "Content-Length": "0" }).end();
    else if (request.url === "/hints") {
      response.writeEarlyHints({ link: "</style.css>; rel=preload" }, () => response.end("hinted"));
    } else response.writeHead(200, { "Content-Length": "4" }).end("body");
  });
  const router = await startPair(t, app.url);
  const session = http2Session(t, router.port);
  const head = await askHttp2(session, "/", { headers: { ":method": "HEAD" } });
  assert.deepEqual([head.status, head.headers["content-length"], head.text, head.code], [200, "4", "", 0]);
  assert.equal((await askHttp2(session, "/204")).status, 204);
  const notModified = await askHttp2(session, "/304");
  assert.deepEqual([notModified.status, notModified.headers["etag"]], [304, '"x"']);
  const empty = await askHttp2(session, "/empty");
  assert.deepEqual([empty.status, empty.headers["content-length"], empty.ended], [200, "0", true]);
  const hints = await askHttp2(session, "/hints");
  assert.deepEqual(
    hints.interim.map((fields) => [fields[":status"], fields["link"]]),
    [[103, "</style.css>; rel=preload"]],
  );
  assert.equal(hints.text, "hinted");
});

test("a client that waits for 100 Continue is told to go on by the app", async (t) => {
  const app = await startHttpApp(t, (request, response) => void request.pipe(response));
  const router = await startPair(t, app.url);
  const session = http2Session(t, router.port);
  const stream = session.request({ ":method": "POST", ":path": "/", expect: "100-continue" }, { endStream: false });
  await once(stream, "continue");
  stream.end("now");
  const [chunk] = (await once(stream, "data")) as [Buffer];
  assert.equal(chunk.toString(), "now");
  stream.close();
});

test("answers of ours are complete HTTP/2 responses", async (t) => {
  const router = await startRouter(t, [{ url: "http://127.0.0.1:0", waitForOffer: "0s" }]);
  const session = http2Session(t, router.port);
  const { status, headers, text, ended } = await askHttp2(session, "/nobody", {
    headers: { ":method": "POST" },
    body: "x",
  });
  assert.equal(status, 503);
  assert.equal(headers["x-polarity-error"], "NO_CONNECTOR");
  assert.equal((JSON.parse(text) as { code: string }).code, "NO_CONNECTOR");
  assert.ok(ended);
});

test("an answer before the end of its request stops the upload and leaves the connection usable", async (t) => {
  const app = await startHttpApp(t, (request, response) => {
    if (request.method === "POST") response.writeHead(413, { Connection: "close" }).end("enough");
    else response.end("fine");
  });
  const router = await startPair(t, app.url);
  const session = http2Session(t, router.port);
  const stream = session.request({ ":method": "POST", ":path": "/" }, { endStream: false });
  stream.on("error", () => {});
  stream.write(Buffer.alloc(16 * 1024));
  const [headers] = (await once(stream, "response")) as [{ ":status": number }];
  assert.equal(headers[":status"], 413);
  stream.resume();
  await once(stream, "close");
  assert.equal(stream.rstCode, 0);
  assert.equal((await askHttp2(session, "/")).text, "fine");
});

test("a response that breaks is reset, never ended, whatever frames it", async (t) => {
  const heads: Record<string, string> = {
    "/length": "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
    "/chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
  };
  const app = await startWireApp(t, (head, socket) => {
    socket.write(heads[head.split(" ")[1] ?? ""] ?? "");
    setTimeout(() => socket.resetAndDestroy(), 20);
  });
  const router = await startPair(t, app.url);
  const session = http2Session(t, router.port);
  for (const path of Object.keys(heads)) {
    const answer = await askHttp2(session, path);
    assert.deepEqual([path, answer.status, answer.text, answer.code, answer.ended], [path, 200, "half", 2, false]);
  }
});

test("a client that resets its request lets the app know", async (t) => {
  const gone = Promise.withResolvers<void>();
  const app = await startHttpApp(t, (_request, response) => {
    response.on("close", () => gone.resolve());
    response.write("begun");
  });
  const router = await startPair(t, app.url);
  const session = http2Session(t, router.port);
  const stream = session.request({ ":path": "/" });
  stream.on("error", () => {});
  await once(stream, "response");
  stream.close(8);
  await soon("the app hears", gone.promise);
  await until("nothing under way", () => router.node.view().listeners[0]?.requestsActive === 0);
});

test("a request that is taken back in its middle never looks complete to the app", async (t) => {
  const asked = Promise.withResolvers<void>();
  const aborted = Promise.withResolvers<boolean>();
  const app = await startHttpApp(t, (request) => {
    asked.resolve();
    request.on("end", () => aborted.resolve(false));
    request.on("error", () => aborted.resolve(true));
    request.resume();
  });
  const router = await startPair(t, app.url);
  const client = new FrameClient(t, router.port).headers(1, POST_FIELDS, false);
  client.send(frame(FRAME.data, 0, 1, Buffer.from("part")));
  await soon("the app is asked", asked.promise);
  // NO_ERROR is the code that could be taken for a clean end.
  client.reset(1, 0);
  assert.equal(await soon("the app hears", aborted.promise), true);
});

test("a client that reads slowly holds back its app, and nobody else", async (t) => {
  let written = 0;
  let drained = 0;
  const chunk = Buffer.alloc(64 * 1024);
  const app = await startHttpApp(t, (request, response) => {
    if (request.url === "/small") {
      response.end("small");
      return;
    }
    const push = (): void => {
      while (written < 64 * 1024 * 1024) {
        written += chunk.length;
        if (!response.write(chunk)) return;
      }
      response.end();
    };
    response.on("drain", () => {
      drained++;
      push();
    });
    push();
  });
  const router = await startPair(t, app.url);
  const session = http2Session(t, router.port);
  const stream = session.request({ ":path": "/big" });
  await once(stream, "response");
  stream.pause();
  let before = -1;
  await until("the app has to wait", () => {
    const still = written === before && written > 0;
    before = written;
    return still;
  });
  assert.ok(written < 16 * 1024 * 1024, `the app could write ${written} bytes`);
  assert.equal((await askHttp2(session, "/small")).text, "small");
  let read = 0;
  stream.on("data", (data: Buffer) => (read += data.length));
  stream.resume();
  await once(stream, "end");
  assert.equal(read, 64 * 1024 * 1024);
  assert.ok(drained > 0);
});

test("an app that reads slowly holds back its client", async (t) => {
  const go = Promise.withResolvers<void>();
  const app = await startHttpApp(t, (request, response) => {
    request.pause();
    let bytes = 0;
    void go.promise.then(() => {
      request.on("data", (data: Buffer) => (bytes += data.length));
      request.on("end", () => response.end(String(bytes)));
      request.resume();
    });
  });
  const router = await startPair(t, app.url);
  const session = http2Session(t, router.port);
  const total = 32 * 1024 * 1024;
  const stream = session.request({ ":method": "POST", ":path": "/" }, { endStream: false });
  let sent = 0;
  const chunk = Buffer.alloc(64 * 1024);
  const push = (): void => {
    while (sent < total) {
      sent += chunk.length;
      if (!stream.write(chunk)) return;
    }
    stream.end();
  };
  stream.on("drain", push);
  push();
  let before = -1;
  await until("the client has to wait", () => {
    const still = sent === before;
    before = sent;
    return still;
  });
  assert.ok(sent < 16 * 1024 * 1024, `the client could send ${sent} bytes`);
  go.resolve();
  const chunks: Buffer[] = [];
  stream.on("data", (data: Buffer) => chunks.push(data));
  await once(stream, "end");
  assert.equal(Buffer.concat(chunks).toString(), String(total));
});

test("uploads that wait for their service are no flood", async (t) => {
  const router = await startRouter(t, [{ url: "http://127.0.0.1:0", service: "web", waitForOffer: "30s" }]);
  const session = http2Session(t, router.port);
  const body = Buffer.alloc(200_000, "x");
  const answers = Array.from({ length: 8 }, () => askHttp2(session, "/", { headers: { ":method": "POST" }, body }));
  const counted = () => router.node.view().listeners[0]?.bytesInTotal ?? 0;
  await until("the node has looked at all that it lets come", () => counted() >= 8 * 128 * 1024);
  const app = await startHttpApp(t, (request, response) => {
    request.resume().on("end", () => response.end("all"));
  });
  await startConnector(t, router.link, { web: { target: app.url } });
  for (const answer of await Promise.all(answers)) assert.deepEqual([answer.status, answer.text], [200, "all"]);
});

test("a drain says GOAWAY, and what is under way is answered", async (t) => {
  const go = Promise.withResolvers<void>();
  const app = await startHttpApp(t, (_request, response) => void go.promise.then(() => response.end("late")));
  const router = await startPair(t, app.url);
  const session = http2Session(t, router.port);
  const goaway = once(session, "goaway");
  const answer = askHttp2(session, "/");
  await until("the request is under way", () => router.node.view().listeners[0]?.requestsActive === 1);
  const drained = router.node.drain();
  assert.equal((await goaway)[0], 0);
  go.resolve();
  assert.equal((await answer).text, "late");
  assert.deepEqual(await drained, { cutOff: 0 });
});

test("a listener with http2 off answers the preface as HTTP/1.1 does", async (t) => {
  const app = await startHttpApp(t, (_request, response) => response.end("x"));
  const router = await startPair(t, app.url, { http2: false });
  const session = http2Session(t, router.port);
  const answer = await askHttp2(session, "/");
  assert.equal(answer.status, 0);
  assert.equal((await ask(router.port)).text, "x");
});

test("an answer's end is said to a client that gives credit late, also before the end of its request", async (t) => {
  const app = await startHttpApp(t, (request, response) => {
    if (request.url === "/length") response.setHeader("Content-Length", 100_000);
    response.write(Buffer.alloc(50_000));
    response.end(Buffer.alloc(50_000));
  });
  const router = await startPair(t, app.url);
  for (const [index, path] of ["/length", "/chunked"].entries()) {
    for (const early of [false, true]) {
      const client = new FrameClient(t, router.port);
      client.headers(1, [[":method", early ? "POST" : "GET"], [":path", path], ...GET_FIELDS.slice(1, 3)], !early);
      const received = (): number =>
        client.frames.reduce((sum, { type, payload }) => sum + (type === FRAME.data ? payload.length : 0), 0);
      for (let granted = 65_535; granted < 100_000; granted += 1_000) {
        await until("the window is used up", () => received() === granted);
        const credit = Buffer.from([0, 0, 1_000 >> 8, 1_000 & 0xff]);
        client.send(frame(FRAME.windowUpdate, 0, 0, credit), frame(FRAME.windowUpdate, 0, 1, credit));
      }
      const what = `END_STREAM of ${path}, request ${early ? "open" : "ended"}`;
      const isLast = ({ type, flags, stream }: { type: number; flags: number; stream: number }): boolean =>
        stream === 1 && (type === FRAME.data || type === FRAME.headers) && (flags & FLAG.endStream) !== 0;
      await client.frame(what, isLast);
      assert.equal(received(), 100_000);
      if (early) assert.equal(await client.rstStream(1), 0);
      const reset = client.frames.findIndex(({ type }) => type === FRAME.rstStream);
      assert.ok(reset < 0 || reset > client.frames.findIndex(isLast), `${index}: the reset came first`);
      client.socket.destroy();
    }
  }
});

test("a drain does not wait for idle HTTP/2 connections, nor for one whose last request is answered", async (t) => {
  const asked = new EventEmitter();
  const app = await startHttpApp(t, (request, response) => {
    if (request.url === "/slow") asked.emit("slow", response);
    else response.end("x");
  });
  const router = await startPair(t, app.url);
  const [idle, busy] = [http2Session(t, router.port), http2Session(t, router.port)];
  assert.equal((await askHttp2(idle, "/")).text, "x");
  const held = once(asked, "slow") as Promise<[ServerResponse]>;
  const answer = askHttp2(busy, "/slow");
  const [response] = await held;
  const idleEnded = once(idle, "close");
  const drained = router.node.drain();
  // Less than what a client has for answering our farewell.
  await soon("the idle connection's end", idleEnded, 5_000);
  response.end("late");
  assert.deepEqual([(await answer).text, (await answer).ended], ["late", true]);
  assert.deepEqual(await soon("the end of the drain", drained, 5_000), { cutOff: 0 });
});
