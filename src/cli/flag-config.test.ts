import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { parseLinkListenerAddress } from "../base/address.ts";
import {
  parseAnalyzeArgument,
  parseListenArgument,
  parseRouterArgument,
  parseTargetArgument,
} from "../base/argument.ts";
import { connectConfig, forwardConfig, routerConfig } from "./flag-config.ts";

test("a router without flags listens on this machine only", () => {
  const config = routerConfig({});
  assert.deepEqual(
    config.links.accept.map(({ address }) => address.url),
    ["tcp://127.0.0.1:8000"],
  );
  assert.deepEqual(
    config.listeners.map(({ address, service }) => [address.url, service]),
    [["http://127.0.0.1:8001", undefined]],
  );
  assert.equal(config.admin, undefined);
});

test("a router's listeners have their services and nodes", () => {
  const listen = ["tcp://127.0.0.1:5432=db", "http://127.0.0.1:0", "tcp://127.0.0.1:1=phone0.db"].map((text) =>
    parseListenArgument(text),
  );
  const config = routerConfig({ listen, admin: "http://127.0.0.1:8088", name: "edge" });
  assert.deepEqual(
    config.listeners.map(({ service, node }) => [service, node]),
    [
      ["db", undefined],
      [undefined, undefined],
      ["db", "phone0"],
    ],
  );
  assert.equal(config.admin?.address.url, "http://127.0.0.1:8088");
  assert.equal(config.node.name, "edge");
});

test("a router dials others only where it is told to, and passes on to them unless it relays nothing", () => {
  assert.deepEqual(routerConfig({}).links.dial, []);
  assert.deepEqual(routerConfig({ router: [] }).links.dial, []);
  const router = ["tcp://a:1", "wss://b#cost=10"].map((text) => parseRouterArgument(text));
  for (const relay of [true, false]) {
    const { accept, dial } = routerConfig({ router, cost: 2, relay }).links;
    assert.deepEqual(
      dial.map((each) => [each.address.url, each.cost, each.relay]),
      [
        ["tcp://a:1", 2, relay],
        ["wss://b:443", 10, relay],
      ],
    );
    assert.deepEqual(
      accept.map((each) => each.relay),
      [relay],
    );
  }
});

test("a connector's flags hold for all its routers, and what is behind a router's hash for that one", () => {
  const router = ["tcp://a:1", "wss://b#cost=10&links=3"].map((text) => parseRouterArgument(text));
  const targets = ["web=3000", "db=tcp://127.0.0.1:5432"].map((text) => parseTargetArgument(text));
  const config = connectConfig(targets, { router, cost: 2, weight: 5 });
  assert.deepEqual(
    config.links.dial.map(({ address, cost, links }) => [address.url, cost, links]),
    [
      ["tcp://a:1", 2, 1],
      ["wss://b:443", 10, 3],
    ],
  );
  assert.deepEqual(
    config.services.map(({ name, protocol, weight }) => [name, protocol, weight]),
    [
      ["web", "http/1.1", 5],
      ["db", "tcp", 5],
    ],
  );
});

test("forward listens here and dials the router", () => {
  const config = forwardConfig([parseListenArgument("tcp://127.0.0.1:15432=phone0.db")], {});
  assert.deepEqual([config.listeners[0]?.service, config.listeners[0]?.node], ["db", "phone0"]);
  assert.equal(config.links.dial[0]?.address.url, "tcp://127.0.0.1:8000");
});

test("--analyze is for the listeners of a service, or for the service itself", () => {
  const analyze = ["db=bytes", "db=postgres", "cache=redis"].map((text) => parseAnalyzeArgument(text));
  const listen = ["tcp://:1=db", "tcp://:2=phone0.db", "tcp://:3=cache", "tcp://:4=other"].map((text) =>
    parseListenArgument(text),
  );
  const targets = ["db=tcp://127.0.0.1:1", "cache=tcp://127.0.0.1:2", "3000"].map((text) => parseTargetArgument(text));
  const names = (places: readonly { readonly analyze: { readonly name: string } | undefined }[]) =>
    places.map((place) => place.analyze?.name);
  const expected = ["postgres", "postgres", "redis", undefined];
  assert.deepEqual(names(routerConfig({ listen, analyze }).listeners), expected);
  assert.deepEqual(names(forwardConfig(listen, { analyze }).listeners), expected);
  assert.deepEqual(names(connectConfig(targets, { analyze }).services), ["postgres", "redis", undefined]);
});

test("problems are reported under the flag that brought them", () => {
  const link = [parseLinkListenerAddress("tcp://0.0.0.0:8000")];
  const cases: readonly (readonly [() => unknown, string, RegExp])[] = [
    [
      () => routerConfig({ link }),
      "CONFIG_INVALID",
      /^--link: tcp:\/\/0\.0\.0\.0:8000 is reachable beyond this machine/,
    ],
    [
      () => routerConfig({ link, tokensFile: "/nope" }),
      "CONFIG_INVALID",
      /^--tokens-file: cannot read \/nope: no such file$/,
    ],
    [() => routerConfig({ tlsCert: "a" }), "USAGE", /^--tls-cert and --tls-key need each other$/],
    [() => routerConfig({ clientCa: "a" }), "USAGE", /^--client-ca needs --tls-cert and --tls-key$/],
    [() => routerConfig({ adminTokenFile: "a" }), "USAGE", /^--admin-token-file needs --admin$/],
    [() => routerConfig({ admin: "http://0.0.0.0:1" }), "CONFIG_INVALID", /^--admin: .* set tokenFile$/],
    [
      () => connectConfig([], { tokenFile: "/nope" }),
      "CONFIG_INVALID",
      /^--token-file: cannot read \/nope: no such file$/,
    ],
    [
      () =>
        connectConfig(
          ["a=1", "a=2"].map((text) => parseTargetArgument(text)),
          {},
        ),
      "USAGE",
      /^the service "a" has two targets/,
    ],
    [
      () => connectConfig([parseTargetArgument("3000")], { analyze: [{ service: "db", analyzer: "foo" }] }),
      "USAGE",
      /^--analyze: nothing here has the service "db" by that name$/,
    ],
    [
      () => connectConfig([parseTargetArgument("a=3000")], { analyze: [{ service: "a", analyzer: "fo" }] }),
      "CONFIG_INVALID",
      /^--analyze: expected foo, http, /,
    ],
    [
      () => connectConfig([], { ca: "/nope", router: [parseRouterArgument("tls://a:1")] }),
      "CONFIG_INVALID",
      /^--ca: cannot read/,
    ],
  ];
  for (const [build, code, message] of cases) assert.throws(build, { code, message });
});

test("a secret that everybody can read is warned about, once", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "polarity-flags-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const tokenFile = join(folder, "token");
  writeFileSync(tokenFile, "s3cret", { mode: 0o644 });
  const warnings: string[] = [];
  connectConfig(
    [parseTargetArgument("3000")],
    { tokenFile, router: ["a:1", "b:1"].map(parseRouterArgument) },
    warnings,
  );
  assert.deepEqual(warnings, [`${tokenFile} can be read by every user of this machine`]);
});

test("--cranker lets every link listener take cranker connectors", () => {
  const link = ["tcp://127.0.0.1:1", "tcp://127.0.0.1:2"].map((text) => parseLinkListenerAddress(text));
  assert.deepEqual(
    routerConfig({ link, cranker: true }).links.accept.map(({ cranker }) => cranker),
    Array.from({ length: 2 }, () => ({ responseTimeoutMs: 60_000, routes: undefined })),
  );
  assert.deepEqual(
    routerConfig({ link }).links.accept.map(({ cranker }) => cranker),
    [undefined, undefined],
  );
});
