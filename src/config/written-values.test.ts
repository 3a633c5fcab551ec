import assert from "node:assert/strict";
import { test } from "node:test";
import { parseConfig } from "./file.ts";

const parse = (text: string, environment: Record<string, string> = {}) =>
  parseConfig(text, { file: "polarity.yaml", folder: "/", environment });

test("names are what is written, in quotes or not", () => {
  const names = ["007", "1.50", "0x10", "1e3", "yes", "true", "null", "2026-11-29", "0o7", ".5"];
  const { config } = parse(
    names
      .map((name) => `  ${name}: { target: 3000, labels: { zone: ${name} } }\n`)
      .join("")
      .replace(/^/, "services:\n") +
      `node:\n  name: 007\nlisteners:\n  - { url: ":1", routes: [{ host: 1.50, service: 0x10, headers: { version: 1.50 } }] }\n`,
  );
  assert.deepEqual(
    config.services.map(({ name }) => name),
    names,
  );
  assert.deepEqual(
    config.services.map(({ labels }) => labels["zone"]),
    names,
  );
  assert.equal(config.node.name, "007");
  assert.equal(config.services[0]?.targets[0]?.url, "http://127.0.0.1:3000");
  assert.deepEqual(config.listeners[0]?.routes[0]?.service, "0x10");
  const expanded = parse(
    `services:\n  w:\n    target: 1\n    labels: {}\nlisteners:\n  - url: ":1"\n    service: \${NAME}\n`,
    { NAME: "007" },
  );
  assert.equal(expanded.config.listeners[0]?.service, "007");
});

test("merge keys bring in groups, and keys that begin with x- are the writer's own, but names", () => {
  const { config } = parse(`
x-app: &app { weight: 3, labels: { zone: a } }
x-note: whatever
services:
  web: { <<: *app, target: 3000, weight: 5 }
  x-web: { <<: [*app], target: 3001, x-owner: me }
listeners:
  - { url: ":1", x-why: because }
`);
  assert.deepEqual(
    config.services.map(({ name, weight, labels }) => [name, weight, labels["zone"]]),
    [
      ["web", 5, "a"],
      ["x-web", 3, "a"],
    ],
  );
});
