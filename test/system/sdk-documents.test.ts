/** The documents of the SDK: what they show runs, and what they list is what there is. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { apiReference } from "../../scripts/api-reference.ts";
import { startLinkRouter, startMachine } from "../support/programs.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "..", "..");
const ENTRY = JSON.stringify(new URL("../../src/index.ts", import.meta.url).href);

test("docs/API.md is what the exported declarations and their comments say", { timeout: 120_000 }, async () => {
  const document = await readFile(join(root, "docs/API.md"), "utf8");
  const [, written] = /write-reference\.ts -->\n\n([\s\S]*)\n<!-- end of generated part -->/.exec(document) ?? [];
  assert.ok(written === apiReference(), "out of date: node scripts/write-reference.ts");
});

test("every example in docs/SDK.md and the README's runs", { timeout: 120_000 }, async (t) => {
  const { url } = await startLinkRouter(t);
  const machine = await startMachine(t, "phone0", url);
  machine.serve("my-service", { fetch: (request) => new Response(`you asked for ${new URL(request.url).pathname}`) });
  machine.serve("echo", { stream: (stream) => void stream.pipe(stream) });
  const documents = ["docs/SDK.md", "README.md"].map((path) => readFile(join(root, path), "utf8"));
  const examples = (await Promise.all(documents)).flatMap((text) =>
    [...text.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code!),
  );
  assert.ok(examples.length >= 7);
  const said: string[] = [];
  for (const code of examples) {
    const script = `${code
      .replaceAll('"polarity-proxy"', ENTRY)
      .replaceAll('"wss://edge.example.com:8000"', "edge")}\nprocess.exit(0);`;
    const withEdge = script.replace(/((?:import [^\n]*\n)+)/, `$1const edge = ${JSON.stringify(url)};\n`);
    const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", withEdge], { timeout: 30_000 });
    said.push(stdout);
  }
  const all = said.join("\n");
  for (const line of ["you asked for /foo", "hello", "http://phone0.=54wo=20=57ords/path", "you said hello"]) {
    assert.ok(all.includes(line), `${line} in ${all}`);
  }
});
