/** Programs that use the package, as one file of a bundler, run where nothing of the package is; and on a Node.js that is too old. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { build } from "esbuild";
import { temporaryFolder } from "../support/servers.ts";

const run = promisify(execFile);
const entry = join(import.meta.dirname, "../../src/index.ts");
const PROGRAM_TIMEOUT_MS = 30_000;

const PROGRAM = `
import { connectAndServe, createDialer, createNode } from ${JSON.stringify(entry)};
const program = async () => {
  const accept = [{ url: "tcp://127.0.0.1:0" }];
  const router = createNode({ node: { name: "edge" }, links: { accept }, admin: { url: "http://127.0.0.1:0" } });
  await router.start();
  const routers = [...router.addresses.links];
  const machine = await connectAndServe({
    routers,
    name: "phone0",
    services: {
      hello: { fetch: () => new Response("hello") },
      chat: { channel: (channel) => ({ onReceive: (data) => void channel.send(data) }) },
    },
  });
  const dialer = createDialer({ routers });
  console.log(await (await dialer.fetch("http://phone0.hello/")).text());
  const heard = Promise.withResolvers();
  const channel = await dialer.channel("phone0.chat", () => ({ onReceive: heard.resolve }), { kind: "websocket" });
  channel.send("said");
  console.log(await heard.promise);
  await dialer.close();
  await machine.stop();
  await router.stop();
};
program();
`;

for (const format of ["cjs", "esm"] as const) {
  test(`a program is bundled as ${format}, and runs`, async (t) => {
    const folder = temporaryFolder(t);
    const outfile = join(folder, format === "cjs" ? "program.cjs" : "program.mjs");
    const document = readFileSync(join(import.meta.dirname, "../../docs/SDK.md"), "utf8");
    const [, banner = ""] = /--banner:js='([^']+)'/.exec(document) ?? [];
    assert.notEqual(banner, "");
    const { warnings } = await build({
      stdin: { contents: PROGRAM, resolveDir: import.meta.dirname, loader: "js" },
      bundle: true,
      platform: "node",
      format,
      outfile,
      logLevel: "silent",
      ...(format === "esm" ? { banner: { js: banner } } : {}),
    });
    assert.deepEqual(warnings, [], "nothing that means something else in a bundle");
    const { stdout, stderr } = await run(process.execPath, [outfile], { cwd: folder, timeout: PROGRAM_TIMEOUT_MS });
    assert.deepEqual([stdout, stderr], ["hello\nsaid\n", ""]);
  });
}

test("on an older Node.js the first thing that is said is which one is needed", async (t) => {
  const older = `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.11.1" } })`;
  const program = join(temporaryFolder(t), "program.cjs");
  await build({
    stdin: { contents: `import(${JSON.stringify(entry)}).catch(console.error)`, resolveDir: import.meta.dirname },
    bundle: true,
    platform: "node",
    format: "cjs",
    target: "node20",
    outfile: program,
    logLevel: "silent",
  });
  const sources = ["--eval", `import(${JSON.stringify(entry)}).catch(console.error)`];
  for (const what of [sources, [program]]) {
    const preload = ["--import", `data:text/javascript,${encodeURIComponent(older)}`];
    const { stderr } = await run(process.execPath, [...preload, ...what], { timeout: PROGRAM_TIMEOUT_MS });
    assert.match(stderr, /polarity-proxy needs Node\.js 24 or newer, and this is Node\.js 20\.11\.1/);
    assert.match(stderr, /code: 'NODE_TOO_OLD'/);
  }
});
