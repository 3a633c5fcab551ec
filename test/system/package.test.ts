/** The package as its users get it: packed from what the repository holds, installed in an empty folder, and run there. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";

const run = promisify(execFile);
const root = join(import.meta.dirname, "..", "..");
const PACKED_FROM = ["package.json", "tsconfig.json", "tsconfig.build.json", "src", "bin", "docs"];
const PACKED_TOO = ["README.md", "LICENSE", "CHANGELOG.md"];
/** What a source that is gone left behind when it was last built. */
const STALE = "dist/gone.js";
const COMMAND_TIMEOUT_MS = 60_000;

describe("the package", { timeout: 3 * COMMAND_TIMEOUT_MS }, () => {
  let folder = "";
  let elsewhere = "";
  let paths: readonly string[] = [];

  before(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), "polarity-package-")));
    const { tarball, files } = await pack(join(folder, "source"));
    paths = files;
    elsewhere = join(folder, "elsewhere");
    await install(tarball, elsewhere);
  });

  after(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  test("holds the compiled program, the documents and the licence, and neither sources nor tests", () => {
    for (const needed of ["package.json", "bin/polarity.js", "dist/cli/main.js", ...PACKED_TOO]) {
      assert.ok(paths.includes(needed), `${needed} is in the package`);
    }
    const stray = paths.filter((path) => /\.test\.|(?<!\.d)\.ts$|^(src|test|bench|scripts)\//.test(path));
    assert.deepEqual(stray, []);
    assert.ok(!paths.includes(STALE), "nothing of an earlier build is in the package");
  });

  test("has every file that its manifest points to", async () => {
    const manifest = JSON.parse(
      await readFile(join(elsewhere, "node_modules/polarity-proxy/package.json"), "utf8"),
    ) as {
      bin: Record<string, string>;
      exports: Record<string, string | Record<string, string>>;
    };
    const exported = Object.values(manifest.exports).flatMap((entry) =>
      typeof entry === "string" ? [entry] : Object.values(entry),
    );
    const missing = [...Object.values(manifest.bin), ...exported]
      .map((path) => path.replace(/^\.\//, ""))
      .filter((path) => !paths.includes(path));
    assert.deepEqual(missing, []);
  });

  test("says its version when run elsewhere", async () => {
    const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as { version: string };
    const { stdout } = await polarity(elsewhere, "--version");
    assert.equal(stdout.trim(), version);
  });

  test("carries requests when run elsewhere", async () => {
    await polarity(elsewhere, "demo", "--once");
  });

  test("serves and dials in a program elsewhere", async () => {
    const script = `
      import { connectAndServe, createDialer, createNode } from "polarity-proxy";
      const edge = createNode({ node: { name: "edge" }, links: { accept: [{ url: "tcp://127.0.0.1:0" }] } });
      await edge.start();
      const routers = edge.addresses.links;
      const services = { hello: { fetch: () => new Response("hello") } };
      const machine = await connectAndServe({ routers, name: "phone0", services });
      const dialer = createDialer({ routers });
      console.log(await (await dialer.fetch("http://phone0.hello/")).text());
      for (const part of [dialer.close(), machine.stop(), edge.stop()]) await part;
    `;
    const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", script], {
      cwd: elsewhere,
      timeout: COMMAND_TIMEOUT_MS,
    });
    assert.equal(stdout, "hello\n");
  });
});

/** Packs a copy of the repository that was built before, so that the `dist/` of the repository itself stays as it is. */
async function pack(copy: string): Promise<{ tarball: string; files: readonly string[] }> {
  await mkdir(copy);
  for (const path of [...PACKED_FROM, ...PACKED_TOO]) await cp(join(root, path), join(copy, path), { recursive: true });
  await symlink(join(root, "node_modules"), join(copy, "node_modules"), "dir");
  await mkdir(join(copy, "dist"));
  await writeFile(join(copy, STALE), "");
  // `--json` prints the list; the build's own output goes to standard error.
  const { stdout } = await npm(copy, "pack", "--json", "--foreground-scripts=false");
  const [packed] = JSON.parse(stdout) as [{ filename: string; files: { path: string }[] }];
  return { tarball: join(copy, packed.filename), files: packed.files.map(({ path }) => path) };
}

async function install(tarball: string, into: string): Promise<void> {
  await mkdir(into);
  // Without a lock file npm asks the registry for versions; packages themselves mostly come from its cache.
  await npm(into, "install", "--prefix", into, "--prefer-offline", "--omit=dev", "--no-audit", "--no-fund", tarball);
}

async function npm(cwd: string, ...commandLine: readonly string[]): Promise<{ stdout: string }> {
  return await run("npm", commandLine, { cwd, timeout: COMMAND_TIMEOUT_MS });
}

/** Runs the installed command with the Node.js that runs this test. */
async function polarity(where: string, ...commandLine: readonly string[]): Promise<{ stdout: string }> {
  const environment = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env["PATH"] ?? ""}` };
  const command = join(where, "node_modules/.bin/polarity");
  return await run(command, commandLine, { cwd: where, env: environment, timeout: COMMAND_TIMEOUT_MS });
}
