/** HTTP/2 by ALPN, from curl, and as the carrier of websockets. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:http2";
import { test } from "node:test";
import { promisify } from "node:util";
import { WebSocketServer } from "ws";
import { startHttpApp } from "../support/apps.ts";
import { TestAuthority } from "../support/certificates.ts";
import { silentLogger, systemClock } from "../../src/base/clock.ts";
import { createNode } from "../../src/node/node.ts";
import { configOf, startPair } from "../support/cluster.ts";
import { askHttp2, http2Session } from "../support/http2-client.ts";
import { freePort, temporaryFolder } from "../support/servers.ts";
import { requireTool, toolPath } from "../support/tools.ts";
import { certificateFiles } from "../support/tls-files.ts";

const run = promisify(execFile);

test("an https listener agrees to HTTP/2 by ALPN, and to HTTP/1.1 with those who want that", async (t) => {
  const authority = await TestAuthority.create();
  const certificate = await certificateFiles(temporaryFolder(t), authority, "one.test");
  const app = await startHttpApp(t, (request, response) => response.end(JSON.stringify(request.headers)));
  const router = await startPair(t, app.url, {
    url: "https://127.0.0.1:0",
    tls: { certificates: [certificate] },
    hsts: "1h",
  });
  const session = connect(`https://127.0.0.1:${router.port}`, { ca: authority.cert, servername: "one.test" });
  session.on("error", () => {});
  t.after(() => session.destroy());
  const { headers, text } = await askHttp2(session, "/");
  const seen = JSON.parse(text) as Record<string, string>;
  assert.equal(session.alpnProtocol, "h2");
  assert.deepEqual([seen["via"], seen["x-forwarded-proto"]], ["2 edge", "https"]);
  assert.match(String(headers["strict-transport-security"]), /max-age=3600/);
  const curl = ["-sk", "-o", "/dev/null", "-w", "%{http_version}", `https://127.0.0.1:${router.port}/`];
  assert.equal((await run("curl", [...curl, "--http1.1"])).stdout, "1.1");
  assert.equal((await run("curl", [...curl, "--http2"])).stdout, "2");
});

test("curl with prior knowledge posts and gets", async (t) => {
  const app = await startHttpApp(t, (request, response) => void request.pipe(response));
  const router = await startPair(t, app.url);
  const url = `http://127.0.0.1:${router.port}/`;
  const body = "x".repeat(100_000);
  const args = ["-s", "--http2-prior-knowledge", "--data-binary", body, "-w", " %{http_version} %{http_code}", url];
  const { stdout } = await run("curl", args, { maxBuffer: 1024 * 1024 });
  assert.equal(stdout, `${body} 2 200`);
});

test("a websocket passes by extended CONNECT, and an app that knows none is told apart", async (t) => {
  const app = await startHttpApp(t, (_request, response) => response.end("no websocket"));
  const sockets = new WebSocketServer({ noServer: true });
  app.server.on("upgrade", (request, socket, head) => {
    if (request.url !== "/ws") socket.end("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno");
    else {
      sockets.handleUpgrade(request, socket, head, (websocket) => {
        websocket.on("message", (data: Buffer) => websocket.send(`echo ${data.toString()}`));
      });
    }
  });
  const router = await startPair(t, app.url);
  const session = http2Session(t, router.port);
  await once(session, "remoteSettings");
  assert.equal(session.remoteSettings.enableConnectProtocol, true);
  const ask = (path: string) =>
    session.request({
      ":method": "CONNECT",
      ":protocol": "websocket",
      ":scheme": "http",
      ":authority": "x",
      ":path": path,
      "sec-websocket-version": "13",
    });
  const stream = ask("/ws");
  const [headers] = (await once(stream, "response")) as [{ ":status": number }];
  assert.equal(headers[":status"], 200);
  // A masked text frame: "hi" under a mask of zeros.
  stream.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]));
  const [frames] = (await once(stream, "data")) as [Buffer];
  assert.equal(frames.subarray(2).toString(), "echo hi");
  stream.close();
  const refused = ask("/other");
  refused.on("error", () => {});
  const [answer] = (await once(refused, "response")) as [{ ":status": number }];
  assert.equal(answer[":status"], 502);
  refused.close();
});

test(
  "h2load gets every request answered, over many connections and streams",
  { skip: requireTool("h2load") },
  async (t) => {
    const app = await startHttpApp(t, (_request, response) => response.end("page"));
    const router = await startPair(t, app.url);
    const load = ["--requests", "3000", "--clients", "10", "--max-concurrent-streams", "20"];
    const { stdout } = await run(toolPath("h2load")!, [...load, `http://127.0.0.1:${router.port}/`], {
      timeout: 30_000,
    });
    assert.match(stdout, /3000 succeeded, 0 failed, 0 errored, 0 timeout/);
    assert.match(stdout, /status codes: 3000 2xx/);
  },
);

test("a reload turns HTTP/2 off and on again for those who connect next", async (t) => {
  const authority = await TestAuthority.create();
  const certificate = await certificateFiles(temporaryFolder(t), authority, "one.test");
  const ports = [await freePort(), await freePort()];
  const config = (http2: boolean) =>
    configOf({
      node: { name: "edge" },
      listeners: [
        { url: `http://127.0.0.1:${ports[0]}`, http2, waitForOffer: "0s" },
        { url: `https://127.0.0.1:${ports[1]}`, http2, waitForOffer: "0s", tls: { certificates: [certificate] } },
      ],
    });
  const node = createNode(config(true), { logger: silentLogger, clock: systemClock, version: "test" });
  t.after(() => node.stop());
  await node.start();
  const versions = async (): Promise<string[]> => {
    const args = ["-sk", "--http2", "-o", "/dev/null", "-w", "%{http_version}", `https://127.0.0.1:${ports[1]}/x`];
    const plain = await askHttp2(http2Session(t, ports[0]!), "/x");
    return [String(plain.status), (await run("curl", args)).stdout];
  };
  assert.deepEqual(await versions(), ["503", "2"]);
  await node.reload(config(false));
  assert.deepEqual(await versions(), ["0", "1.1"]);
  await node.reload(config(true));
  assert.deepEqual(await versions(), ["503", "2"]);
});
