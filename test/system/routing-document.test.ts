/** The examples of docs/ROUTING.md, run: what the page says becomes of a request does. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { startWireApp } from "../support/apps.ts";
import { offered, type RawConfig, startConnector, startRouter } from "../support/cluster.ts";
import { WireClient } from "../support/wire-client.ts";

const page = readFileSync(join(import.meta.dirname, "..", "..", "docs", "ROUTING.md"), "utf8");
const examples = [...page.matchAll(/```yaml\n(.*?)```\n\n```text\n(.*?)```/gs)];

type Listener = NonNullable<NonNullable<RawConfig["listeners"]>[number]>;

test("every example of the page has its requests", () => {
  assert.equal(examples.length, page.split("```yaml").length - 1);
  assert.ok(examples.length >= 5);
});

for (const [index, [, yaml = "", requests = ""]] of examples.entries()) {
  test(`example ${index + 1} does what the page says`, async (t) => {
    const { routes } = parse(yaml) as { routes: NonNullable<Listener["routes"]> };
    const router = await startRouter(t, [{ url: "http://127.0.0.1:0", routes }]);
    const names = routes.flatMap(({ service, split }) => [service ?? [], Object.keys(split ?? {})].flat());
    const targets = [...new Set(names)].map(async (name) => {
      const app = await startWireApp(t, (head, socket) => {
        const body = `${name} ${head.split(" ")[1] ?? ""}`;
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      });
      return [name, { target: app.url }] as const;
    });
    const services = Object.fromEntries(await Promise.all(targets));
    await startConnector(t, router.link, services);
    for (const name of Object.keys(services)) await offered(router.node, name);

    for (const line of requests.trim().split("\n")) {
      const [, method = "", host = "", path = "", field = "", expected = ""] =
        /^(\w+) +([^/ ]+)(\S+)(?: +(\S+: \S+))? +→ (.+)$/.exec(line) ??
        assert.fail(`a line that is no request: ${line}`);
      const fields = [`Host: ${host}`, "Content-Length: 0", ...(field === "" ? [] : [field])];
      const client = new WireClient(t, router.port).send(
        `${method} ${path} HTTP/1.1\r\n${fields.join("\r\n")}\r\n\r\n`,
      );
      const { status, headers, body } = await client.response();
      const got = status === 200 ? body : `${status} ${headers["location"] ?? ""}`.trim();
      assert.equal(expected.includes(" ") ? got : got.split(" ")[0], expected, line);
    }
  });
}
