/** How a request finds its service: by field, host, path or route, and what it hears when there is none. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { startHttpApp } from "../support/apps.ts";
import { offered, startConnector, startNode, startRouter } from "../support/cluster.ts";
import { ask } from "../support/http-client.ts";

test("X-Service-Id comes before the host, the host before the path, the path before *", async (t) => {
  const app = await startHttpApp(t, (request, response) => response.end(request.url));
  const router = await startRouter(t, [{ url: "http://127.0.0.1:0", waitForOffer: "0s" }]);
  const target = { target: app.url };
  await startConnector(t, router.link, { web: target, api: target, "deep.name": target }, { name: "shed" });
  await offered(router.node, "web");
  const served = async (headers: Record<string, string>, path: string): Promise<string | undefined> => {
    const before = new Map(router.node.view().services.map(({ name, requestsTotal }) => [name, requestsTotal]));
    const answer = await ask(router.port, { headers, path });
    if (answer.status !== 200) return `${answer.status}`;
    assert.equal(answer.text, path, "the path is passed on unchanged");
    return router.node.view().services.find(({ name, requestsTotal }) => requestsTotal > (before.get(name) ?? 0))?.name;
  };
  assert.equal(await served({ "x-service-id": "web", host: "api.example.com" }, "/api/x"), "web");
  assert.equal(await served({ host: "api.example.com" }, "/web"), "api");
  assert.equal(await served({ host: "API.example.com:8001" }, "/web"), "api");
  assert.equal(await served({ host: "shed.deep.name" }, "/"), "deep.name");
  assert.equal(await served({ host: "barn.deep.name" }, "/"), "404", "that node has no such service");
  assert.equal(await served({ host: "www.example.com" }, "/web/page?x=1"), "web");
  assert.equal(await served({ host: "www.example.com" }, "/webpage"), "404");
  assert.equal(await served({ "x-service-id": "nobody", host: "h" }, "/web"), "web");
  await startConnector(t, router.link, { "*": target });
  await offered(router.node, "*");
  assert.equal(await served({ host: "www.example.com" }, "/other"), "*");
});

test("a 404 lists what was tried, as JSON or HTML", async (t) => {
  const app = await startHttpApp(t, (_request, response) => response.end());
  const router = await startRouter(t, [{ url: "http://127.0.0.1:0", waitForOffer: "0s" }]);
  await startConnector(t, router.link, { web: { target: app.url } });
  await offered(router.node, "web");
  const headers = { "x-service-id": "first", host: "second.third" };
  const json = await ask(router.port, { headers, path: "/fourth/x" });
  assert.deepEqual([json.status, json.headers["x-polarity-error"]], [404, "NO_ROUTE"]);
  const { message } = JSON.parse(json.text) as { message: string };
  for (const name of ["first", "second.third", "second", "third at node second", "fourth", "*"])
    assert.ok(message.includes(name), `${name} in ${message}`);
  const html = await ask(router.port, { headers: { ...headers, accept: "text/html" }, path: "/<script>" });
  assert.match(html.text, /<h1><b>404<\/b> Not Found<\/h1>/);
  assert.doesNotMatch(html.text, /<script>/);
});

test("routes go by host and path, the most exact first, and may take the prefix off", async (t) => {
  const echo = (name: string) => startHttpApp(t, (request, response) => response.end(`${name} ${request.url}`));
  const [api, v2, shop, rest] = await Promise.all([echo("api"), echo("v2"), echo("shop"), echo("rest")]);
  const node = await startNode(t, {
    services: {
      api: { target: api.url },
      v2: { target: v2.url },
      shop: { target: shop.url },
      rest: { target: rest.url },
    },
    listeners: [
      {
        url: "http://127.0.0.1:0",
        routes: [
          { host: "*.example.com", service: "rest" },
          { host: "shop.example.com", service: "shop" },
          { host: "shop.example.com", path: "/api", service: "api", stripPrefix: true },
          { host: "shop.example.com", path: "/api/v2/", service: "v2" },
        ],
      },
    ],
  });
  const port = Number(node.addresses.listeners[0]!.split(":")[2]);
  const get = async (host: string, path: string): Promise<string> => {
    const answer = await ask(port, { headers: { host }, path });
    return answer.status === 200 ? answer.text : `${answer.status} ${String(answer.headers["x-polarity-error"])}`;
  };
  assert.equal(await get("shop.example.com", "/"), "shop /");
  assert.equal(await get("SHOP.example.com:80", "/api/users?x=1"), "api /users?x=1");
  assert.equal(await get("shop.example.com", "/api?x"), "api /?x");
  assert.equal(await get("shop.example.com", "/apis"), "shop /apis");
  assert.equal(await get("shop.example.com", "/api/v2/x"), "v2 /api/v2/x");
  assert.equal(await get("other.example.com", "/api"), "rest /api");
  assert.match(await get("example.com", "/"), /^421 HOST_NOT_SERVED/);
});

test("only the node that was asked for serves a listener that names one", async (t) => {
  const here = await startHttpApp(t, (_request, response) => response.end("here"));
  const there = await startHttpApp(t, (_request, response) => response.end("there"));
  const router = await startRouter(t, [
    { url: "http://127.0.0.1:0", service: "web", node: "barn", waitForOffer: "0s" },
  ]);
  await startConnector(t, router.link, { web: { target: here.url } }, { name: "shed" });
  await offered(router.node, "web", 1);
  assert.equal((await ask(router.port)).status, 503);
  await startConnector(t, router.link, { web: { target: there.url } }, { name: "barn" });
  await offered(router.node, "web", 2);
  for (let index = 0; index < 5; index++) assert.equal((await ask(router.port)).text, "there");
});
