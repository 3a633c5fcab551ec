import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { NODE_MAJOR_MIN } from "./node-version.ts";
import { packageVersion } from "./version.ts";

const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  readonly version: string;
  readonly engines: { readonly node: string };
};

test("the version that is compiled in is the package's", () => {
  assert.equal(packageVersion(), manifest.version);
});

test("the Node.js that is asked for is the one that the package names", () => {
  assert.equal(`>=${NODE_MAJOR_MIN}`, manifest.engines.node);
});
