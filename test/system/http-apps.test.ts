/** Apps as people write and run them, behind a connector: nginx, fastify, and servers with manners of an earlier time. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { gunzipSync } from "node:zlib";
import { fastify } from "fastify";
import { startHttpApp, startRawApp, startWireApp } from "../support/apps.ts";
import { startPair } from "../support/cluster.ts";
import { ask, keepAliveAgent } from "../support/http-client.ts";
import { freePort, listens, startServer, temporaryFolder } from "../support/servers.ts";
import { requireTool } from "../support/tools.ts";
import { WireClient } from "../support/wire-client.ts";

/** nginx with static files: `/page.html` of text, `/bytes` of 20 MB, and a folder. */
async function startNginx(t: TestContext) {
  const folder = temporaryFolder(t);
  chmodSync(folder, 0o755);
  const site = join(folder, "site");
  mkdirSync(join(site, "folder"), { recursive: true });
  const page = "<p>static, and the same again and again</p>\n".repeat(300);
  const bytes = randomBytes(20_000_000);
  writeFileSync(join(site, "page.html"), page);
  writeFileSync(join(site, "bytes"), bytes);
  utimesSync(join(site, "page.html"), 1_000_000_000, 1_000_000_000);
  const port = await freePort();
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  );
  writeFileSync(
    join(folder, "nginx.conf"),
    `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
     events { worker_connections 64; }
     http {
       access_log off; sendfile on; ${temporary.join(" ")} types { text/html html; }
       gzip on; gzip_min_length 100; gzip_http_version 1.0; gzip_proxied any; gzip_types text/html;
       server { listen 127.0.0.1:${port}; root ${site}; keepalive_requests 5; }
     }`,
  );
  startServer(t, "nginx", ["-p", folder, "-e", join(folder, "error.log"), "-c", join(folder, "nginx.conf")]);
  await listens(port);
  const router = await startPair(t, `http://127.0.0.1:${port}`);
  return { router, page, bytes };
}

test(
  "nginx: files, ranges, tags, compression and folders come as it sends them",
  { skip: requireTool("nginx") },
  async (t) => {
    const { router, page, bytes } = await startNginx(t);
    const agent = keepAliveAgent(t, 2);
    const get = (path: string, headers: Record<string, string> = {}, method = "GET") =>
      ask(router.port, { path, headers, method, agent });

    const plain = await get("/page.html");
    assert.deepEqual([plain.status, plain.text], [200, page]);
    const packed = await get("/page.html", { "Accept-Encoding": "gzip" });
    assert.equal(packed.headers["transfer-encoding"], "chunked");
    assert.equal(gunzipSync(packed.body).toString(), page);

    const { etag = "", "last-modified": modified = "" } = plain.headers;
    for (const [name, value] of [
      ["If-None-Match", etag],
      ["If-Modified-Since", modified],
    ] as const) {
      const unchanged = await get("/page.html", { [name]: value });
      assert.deepEqual([unchanged.status, unchanged.body.length], [304, 0], name);
    }
    const big = await get("/bytes");
    assert.ok(big.body.equals(bytes));
    const head = await get("/bytes", {}, "HEAD");
    assert.deepEqual([head.headers["content-length"], head.body.length], [String(bytes.length), 0]);

    const part = await get("/bytes", { Range: "bytes=1000000-2999999" });
    assert.deepEqual([part.status, part.headers["content-range"]], [206, `bytes 1000000-2999999/${bytes.length}`]);
    assert.ok(part.body.equals(bytes.subarray(1_000_000, 3_000_000)));
    const parts = await get("/bytes", { Range: "bytes=0-3,-4" });
    assert.match(parts.headers["content-type"] ?? "", /^multipart\/byteranges/);
    assert.ok(parts.body.includes(bytes.subarray(-4)));
    assert.equal((await get("/bytes", { Range: "bytes=99999999-" })).status, 416);

    const folder = await get("/folder");
    assert.equal(folder.status, 301);
    assert.match(folder.headers.location ?? "", /\/folder\/$/);
    assert.equal((await get("/nothing")).status, 404);
    assert.equal((await get("/page.html", {}, "POST")).status, 405);
  },
);

test(
  "nginx closes each connection after five requests, and no request notices",
  { skip: requireTool("nginx") },
  async (t) => {
    const { router, page } = await startNginx(t);
    const agent = keepAliveAgent(t, 4);
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => ask(router.port, { path: "/page.html", agent })),
    );
    for (const { status, text } of answers) assert.deepEqual([status, text], [200, page]);
  },
);

test("fastify: JSON, streams, its errors, its limits, and the client's address", async (t) => {
  const app = fastify({ trustProxy: true, bodyLimit: 10_000 });
  app.post("/json", (request) => ({ got: request.body, from: request.ip, host: request.host, by: request.protocol }));
  app.get("/stream", (_request, reply) => reply.type("text/plain").send(ReadableStream.from(["a", "b", "c"])));
  app.get("/wrong", () => {
    throw new Error("on purpose");
  });
  app.delete("/thing/:id", async (_request, reply) => reply.code(204).send());
  t.after(() => app.close());
  const router = await startPair(t, await app.listen({ host: "127.0.0.1", port: 0 }));
  const agent = keepAliveAgent(t, 1);
  const post = (body: string) =>
    ask(router.port, {
      agent,
      path: "/json",
      method: "POST",
      headers: { "Content-Type": "application/json", Host: "shop.example" },
      body,
    });
  assert.deepEqual(JSON.parse((await post(`{"a":[1,2]}`)).text), {
    got: { a: [1, 2] },
    from: "127.0.0.1",
    host: "shop.example",
    by: "http",
  });
  assert.equal((await post("{broken")).status, 400);
  assert.equal((await post(JSON.stringify("x".repeat(20_000)))).status, 413);
  assert.equal((await ask(router.port, { agent, path: "/stream" })).text, "abc");
  assert.match((await ask(router.port, { agent, path: "/wrong" })).text, /on purpose/);
  const gone = await ask(router.port, { agent, path: "/thing/7", method: "DELETE" });
  assert.deepEqual([gone.status, gone.body.length], [204, 0]);
  const inexistent = await ask(router.port, { agent, path: "/nothing" });
  assert.match(inexistent.text, /Route GET:\/nothing not found/);
});

test("an HTTP/1.0 app, which ends each answer by closing, serves clients that keep their connections", async (t) => {
  let connections = 0;
  const app = await startWireApp(t, (head, socket) => {
    connections++;
    const [method, path = ""] = head.split(" ");
    const length = path === "/length" ? "Content-Length: 4\r\n" : "";
    socket.end(`HTTP/1.0 200 OK\r\nServer: SimpleHTTP/0.6\r\n${length}\r\n${method === "HEAD" ? "" : "done"}`);
  });
  const router = await startPair(t, app.url);
  const client = new WireClient(t, router.port);
  for (let index = 0; index < 5; index++) {
    // Where the answer ends the client is told, by a length or by chunks, so that its connection outlives the app's.
    client.send("GET /length HTTP/1.1\r\nHost: x\r\n\r\n");
    assert.equal((await client.response()).body, "done");
  }
  client.send("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
  assert.equal((await client.response("HEAD")).status, 200);
  const last = await client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").response();
  assert.deepEqual(
    [last.body, last.headers["connection"], last.headers["transfer-encoding"]],
    ["done", undefined, "chunked"],
  );
  client.send("GET /length HTTP/1.1\r\nHost: x\r\n\r\n");
  assert.equal((await client.response()).body, "done");
  assert.equal(connections, 8);
});

test("an app that closes after each answer fails nobody, with and without saying so", async (t) => {
  for (const says of ["Connection: close\r\n", ""]) {
    const app = await startWireApp(t, (_head, socket) => {
      socket.end(`HTTP/1.1 200 OK\r\n${says}Content-Length: 4\r\n\r\ndone`);
    });
    const router = await startPair(t, app.url);
    const agent = keepAliveAgent(t, 4);
    const answers = await Promise.all(Array.from({ length: 200 }, () => ask(router.port, { agent })));
    assert.deepEqual(new Set(answers.map(({ status, text }) => `${status} ${text}`)), new Set(["200 done"]), says);
    assert.ok((router.node.view().listeners[0]?.connectionsTotal ?? 0) <= 4, "clients keep theirs");
  }
});

test("trailers that an app announces arrive behind the chunks, and a client's at the app", async (t) => {
  const app = await startHttpApp(t, (request, response) => {
    request.resume().on("end", () => {
      response.writeHead(200, { Trailer: "X-Sum" });
      response.write("body of ");
      response.addTrailers({ "X-Sum": request.trailers["x-check"] ?? "none" });
      response.end("parts");
    });
  });
  const router = await startPair(t, app.url);
  const client = new WireClient(t, router.port);
  client.send("POST / HTTP/1.1\r\nHost: x\r\nTE: trailers\r\nTrailer: X-Check\r\nTransfer-Encoding: chunked\r\n\r\n");
  const answer = await client.send("3\r\nabc\r\n0\r\nX-Check: 42\r\n\r\n").response();
  assert.deepEqual(
    [answer.body, answer.headers["trailer"], answer.trailers],
    ["body of parts", "X-Sum", "X-Sum: 42\r\n"],
  );
});

test("node:http: many ways to answer, one after another on one connection", async (t) => {
  const app = await startHttpApp(t, (request, response) => {
    switch (request.url) {
      case "/early":
        response.writeEarlyHints({ link: "</style.css>; rel=preload; as=style" });
        return response.end("early");
      case "/processing":
        response.writeProcessing();
        return response.end("processed");
      case "/empty":
        return response.writeHead(204).end();
      case "/reset":
        return response.writeHead(205, { "Content-Length": 0 }).end();
      case "/cookies":
        return response.setHeader("Set-Cookie", ["a=1", "b=2", "c=3"]).end("set");
      case "/long":
        return response.setHeader("X-Long", "v".repeat(8_000)).end("long");
      default:
        return response.writeHead(404, "Not Here, Sorry").end("none");
    }
  });
  const router = await startPair(t, app.url);
  const agent = keepAliveAgent(t, 1);
  const get = (path: string) => ask(router.port, { path, agent });
  assert.equal((await get("/early")).text, "early");
  assert.equal((await get("/processing")).text, "processed");
  assert.equal((await get("/empty")).status, 204);
  assert.equal((await get("/reset")).status, 205);
  assert.deepEqual((await get("/cookies")).headers["set-cookie"], ["a=1", "b=2", "c=3"]);
  assert.equal((await get("/long")).headers["x-long"]?.length, 8_000);
  assert.equal((await get("/nothing")).status, 404);
  assert.equal(router.node.view().listeners[0]?.connectionsTotal, 1);
});

test("an app that answers before it has read, and closes, is heard if it can be", async (t) => {
  const app = await startRawApp(t, (socket) => {
    socket.once("data", () =>
      socket.end("HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig"),
    );
    socket.on("data", () => {});
  });
  const router = await startPair(t, app.url.replace("tcp:", "http:"));
  const client = new WireClient(t, router.port);
  client.send(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n${"x".repeat(50_000)}`);
  const answer = await client.response();
  assert.deepEqual([answer.status, answer.body], [413, "big"]);
  client.send("x".repeat(50_000)).send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  assert.equal((await client.response()).status, 413, "the connection goes on behind the rest of the upload");
});
