/** PROXY headers exchanged with the programs that people put in front of, and behind, Polarity. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { startHttpApp } from "../support/apps.ts";
import { offered, startConnector, startPair, startRouter } from "../support/cluster.ts";
import { ask, keepAliveAgent } from "../support/http-client.ts";
import { freePort, listens, startServer, temporaryFolder } from "../support/servers.ts";
import { requireTool } from "../support/tools.ts";

const HAPROXY_DEFAULTS =
  "defaults\n  mode http\n  timeout client 10s\n  timeout server 10s\n  timeout connect 5s\n" +
  "  option http-keep-alive\n";

function startHaproxy(t: TestContext, config: string): void {
  const path = join(temporaryFolder(t), "haproxy.cfg");
  writeFileSync(path, HAPROXY_DEFAULTS + config);
  startServer(t, "haproxy", ["-db", "-q", "-f", path]);
}

/** An nginx that answers with whom the PROXY header names. */
async function startNginx(t: TestContext): Promise<number> {
  const folder = temporaryFolder(t);
  const port = await freePort();
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${folder};`);
  const config = `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
    events {}
    http { access_log off; ${temporary.join(" ")}
      server { listen 127.0.0.1:${port} proxy_protocol;
        location /healthz { return 204; }
        location / { return 200 "$proxy_protocol_addr:$proxy_protocol_port $http_x_forwarded_for"; } } }`;
  const path = join(folder, "nginx.conf");
  writeFileSync(path, config);
  startServer(t, "nginx", ["-p", folder, "-e", join(folder, "error.log"), "-c", path]);
  await listens(port);
  return port;
}

for (const sends of ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,authority,unique-id"]) {
  test(`HAProxy in front says who its clients are, with ${sends}`, { skip: requireTool("haproxy") }, async (t) => {
    const app = await startHttpApp(t, ({ headers }, response) => response.end(headers["x-forwarded-for"]));
    const router = await startPair(t, app.url, { proxyProtocol: "required", trustedProxies: ["127.0.0.1"] });
    const port = await freePort();
    // As a client from elsewhere would look; then as HAProxy's own check.
    startHaproxy(
      t,
      `frontend in\n  bind 127.0.0.1:${port}\n  unique-id-format %[uuid]\n` +
        "  http-request set-src hdr(x-test-client)\n  default_backend polarity\n" +
        `backend polarity\n  server one 127.0.0.1:${router.port} ${sends} check inter 100\n`,
    );
    await listens(port);
    const client = keepAliveAgent(t, 1);
    for (const host of ["192.0.2.7", "2001:db8::7"]) {
      const { status, text } = await ask(port, { headers: { "X-Test-Client": host } });
      assert.deepEqual([status, text], [200, host]);
    }
    assert.equal((await ask(port, { agent: client })).status, 200);
  });
}

for (const version of ["v1", "v2"] as const) {
  test(`nginx behind is told who the clients are, by ${version}`, { skip: requireTool("nginx") }, async (t) => {
    const port = await startNginx(t);
    const router = await startRouter(t, [{ url: "http://127.0.0.1:0", service: "web" }]);
    await startConnector(t, router.link, {
      web: {
        target: `http://127.0.0.1:${port}`,
        proxyProtocol: version,
        health: { path: "/healthz", interval: "100ms" },
      },
    });
    await offered(router.node, "web");
    const agents = [keepAliveAgent(t, 1), keepAliveAgent(t, 1)];
    const seen = new Set<string>();
    for (let count = 0; count < 2; count++) {
      for (const agent of agents) {
        const { status, text } = await ask(router.port, { agent });
        assert.equal(status, 200);
        assert.match(text, /^127\.0\.0\.1:\d+ 127\.0\.0\.1$/);
        seen.add(text);
      }
    }
    assert.equal(seen.size, 2, "each client's own port, however often it asks");
  });

  test(`HAProxy behind is told who the clients are, by ${version}`, { skip: requireTool("haproxy") }, async (t) => {
    const port = await freePort();
    startHaproxy(
      t,
      `frontend in\n  bind 127.0.0.1:${port} accept-proxy\n` +
        '  http-request return status 200 content-type text/plain lf-string "%[src] %[dst]:%[dst_port]"\n',
    );
    await listens(port);
    const router = await startPair(
      t,
      `tcp://127.0.0.1:${port}`,
      { proxyProtocol: "required" },
      { proxyProtocol: version },
    );
    const front = await freePort();
    startHaproxy(
      t,
      `frontend in\n  bind 127.0.0.1:${front}\n  http-request set-src hdr(x-test-client)\n` +
        `  default_backend polarity\nbackend polarity\n  server one 127.0.0.1:${router.port} send-proxy-v2\n`,
    );
    await listens(front);
    const { status, text } = await ask(front, { headers: { "X-Test-Client": "192.0.2.7" } });
    assert.deepEqual([status, text], [200, `192.0.2.7 127.0.0.1:${port}`]);
  });
}
