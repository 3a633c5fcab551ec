/** Services of cranker connectors: at the router that they register with, and at routers that lead to it. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test, type TestContext } from "node:test";
import { startHttpApp } from "../support/apps.ts";
import { offered, type RawConfig } from "../support/cluster.ts";
import { startCrankerPeer } from "../support/cranker-connector.ts";
import { ask } from "../support/http-client.ts";
import { until } from "../support/patience.ts";
import { type Place, port, startPlace, waysAre } from "../support/router-places.ts";

const LISTENING: RawConfig = { listeners: [{ url: "http://127.0.0.1:0" }] };
const CRANKER = [{ url: "tcp://127.0.0.1:0", cranker: true }];

interface Places {
  /** Where clients come in. */
  readonly edge: Place;
  /** Where connectors register: `ws://…` */
  readonly registry: string;
}

async function startOne(context: TestContext): Promise<Places> {
  const edge = await startPlace(context, "edge", [], { links: { accept: CRANKER }, ...LISTENING });
  return { edge, registry: edge.link.replace("tcp", "ws") };
}

/** `edge ◀ middle ◀ inner`: connectors register with the last, and clients know the first. */
async function startThree(context: TestContext): Promise<Places & { readonly inner: Place }> {
  const edge = await startPlace(context, "edge", [], LISTENING);
  const middle = await startPlace(context, "middle", [edge]);
  const inner = await startPlace(context, "inner", [], {
    links: { accept: CRANKER, dial: [{ url: middle.link, relay: true, cost: 3 }] },
  });
  return { edge, inner, registry: inner.link.replace("tcp", "ws") };
}

function startNamed(context: TestContext, name: string) {
  return startHttpApp(context, (asked, response) => response.end(`${name} ${asked.url}`));
}

for (const [where, start] of [
  ["a router that takes them", startOne],
  ["behind two other routers", startThree],
] as const) {
  test(`${where}: requests go by domain, then by route, then to the catch-all`, async (t) => {
    const { edge, registry } = await start(t);
    const shops = [
      ["any", "web", "*"],
      ["dotted", "v1.web", "*"],
      ["rest", "*", "*"],
      ["shop", "*", "a.shop"],
      ["cart", "web", "A.shop"],
    ] as const;
    for (const [name, route, domain] of shops) {
      const app = await startNamed(t, name);
      startCrankerPeer(t, { router: registry, target: app.url, route, domain, component: name });
    }
    for (const service of ["web", "v1.web", "*", "a.shop/*", "a.shop/web"]) await offered(edge.node, service);
    for (const [host, path, wanted] of [
      ["localhost", "/web/x?y", "any /web/x?y"],
      ["localhost", "/web", "any /web"],
      ["localhost", "/v1.web/x", "dotted /v1.web/x"],
      ["localhost", "/webs", "rest /webs"],
      ["localhost", "/", "rest /"],
      ["a.shop", "/web/x", "cart /web/x"],
      ["A.SHOP:80", "/web/x", "cart /web/x"],
      ["a.shop.", "/v1.web/", "shop /v1.web/"],
      ["a.shop", "/", "shop /"],
      ["b.a.shop", "/web/", "any /web/"],
      // A part of a host names no cranker service: its own path does.
      ["web.example", "/v1.web/", "dotted /v1.web/"],
      ["web", "/other", "rest /other"],
      ["any.web", "/other", "rest /other"],
      ["a.shop.evil.example", "/other", "rest /other"],
    ] as const) {
      assert.equal((await ask(port(edge), { path, headers: { Host: host } })).text, wanted, `${host}${path}`);
    }
    const byId = await ask(port(edge), { path: "/x", headers: { Host: "a.shop", "X-Service-Id": "v1.web" } });
    assert.equal(byId.text, "dotted /x");
    const names = edge.node.view().services.map(({ name }) => name);
    assert.deepEqual(names, ["*", "a.shop/*", "a.shop/web", "v1.web", "web"]);
  });

  test(`${where}: a crowd that waits for the sockets of a 1.0 connector is served in turn`, async (t) => {
    const { edge, registry } = await start(t);
    const app = await startNamed(t, "app");
    startCrankerPeer(t, { router: registry, target: app.url, version: "1.0" });
    await offered(edge.node, "web");
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, index) => ask(port(edge), { path: `/web/${index}` })),
    );
    for (const [index, { text }] of answers.entries()) assert.equal(text, `app /web/${index}`);
  });
}

for (const version of ["1.0", "3.0"] as const) {
  test(`${version}: through two routers bodies are whole, the way is shown, and failures say whose they are`, async (t) => {
    const { edge, registry } = await startThree(t);
    const app = await startHttpApp(t, (request, response) => {
      if (request.url === "/web/never") request.socket.destroy();
      const hash = createHash("sha256");
      request.on("data", (chunk: Buffer) => hash.update(chunk));
      request.on("end", () => response.setHeader("x-via", request.headers.via ?? "").end(hash.digest("hex")));
    });
    startCrankerPeer(t, { router: registry, target: app.url, version, component: "shed" });
    await waysAre(edge, "web", ["middle inner shed"]);
    const [offer] = edge.node.view().services.find(({ name }) => name === "web")?.offers ?? [];
    assert.deepEqual([offer?.node, offer?.cost, offer?.labels["route"]], ["shed", 3, "web"]);

    const body = randomBytes(3_000_000);
    const { text, headers } = await ask(port(edge), { path: "/web/", method: "POST", body });
    assert.equal(text, createHash("sha256").update(body).digest("hex"));
    assert.equal(headers["x-via"], "HTTP/1.1 edge");
    const failed = await ask(port(edge), { path: "/web/never", method: "POST" });
    assert.equal(failed.status, 502);
    assert.match(failed.text, /shed/);
    const upgraded = await ask(port(edge), { path: "/web/", headers: { Connection: "Upgrade", Upgrade: "echo" } });
    assert.deepEqual([upgraded.status, upgraded.headers["x-polarity-error"]], [501, "UPGRADE_NOT_CARRIED"]);
  });

  test(`${version}: behind routers a connector that is killed loses no GET, and who deregisters is gone`, async (t) => {
    const { edge, registry } = await startThree(t);
    const app = await startHttpApp(t, (request, response) => void setTimeout(() => response.end(request.url), 5));
    const peers = ["one", "two"].map((component) =>
      startCrankerPeer(t, { router: registry, target: app.url, version, component }),
    );
    await offered(edge.node, "web", 2);
    let asked = 0;
    const client = async (): Promise<void> => {
      for (let count = 0; count < 40; count++) {
        const path = `/web/${asked++}`;
        const { status, text } = await ask(port(edge), { path });
        assert.deepEqual([status, text], [200, path]);
        if (asked === 100) peers[0]!.kill();
      }
    };
    await Promise.all(Array.from({ length: 8 }, client));
    await waysAre(edge, "web", ["middle inner two"]);
    assert.match(await peers[1]!.deregister(), /^1000 /);
    await waysAre(edge, "web", []);
  });
}

test("a connector cannot pass for a node of the chain, and two of one name are two", async (t) => {
  const { edge, inner, registry } = await startThree(t);
  const app = await startNamed(t, "app");
  const { instance } = edge.node.view().node;
  for (const id of [instance, inner.node.view().node.instance]) {
    startCrankerPeer(t, { router: registry, target: app.url, instance: id, component: "edge" });
  }
  await waysAre(edge, "web", ["middle inner edge", "middle inner edge"]);
  await until("it serves", async () => (await ask(port(edge), { path: "/web/" })).text === "app /web/");
});
