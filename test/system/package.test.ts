/** The package as its users get it: packed from what the repository holds, installed in an empty folder, and run there. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, normalize } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { linksOf } from "../support/documents.ts";
import { freePort } from "../support/servers.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "..", "..");
const PACKED_FROM = ["package.json", "tsconfig.json", "tsconfig.build.json", "src", "bin", "docs"];
const PACKED_TOO = ["README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md"];
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

  test("has every file that its documents link to", async () => {
    const folderOf = join(elsewhere, "node_modules/polarity-proxy");
    const pages = paths.filter((path) => path.endsWith(".md"));
    assert.ok(pages.length > 25, pages.join());
    const missing: string[] = [];
    for (const path of pages) {
      const page = { path, text: await readFile(join(folderOf, path), "utf8") };
      for (const { target } of linksOf(page)) {
        const file = normalize(join(path, "..", target.replace(/#.*/, "")));
        const isHere = /^(?:[a-z]+:|#)/.test(target) || paths.includes(file);
        if (!isHere) missing.push(`${path}: ${target}`);
      }
    }
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

  test("type-checks in a project that is as strict as can be, with and without the DOM", async () => {
    await writeRecipes(elsewhere, README_EDGE);
    for (const lib of [["es2025"], ["es2025", "dom", "dom.iterable"]]) {
      // Where the DOM is, its `fetch` takes no dispatcher; the document says so.
      const without = lib.includes("dom") ? ["recipe-*.ts"] : [];
      const compilerOptions = { ...STRICTEST, lib };
      await writeFile(
        join(elsewhere, "tsconfig.json"),
        JSON.stringify({ compilerOptions, include: ["*.ts"], exclude: without }),
      );
      const { stdout } = await inNode(elsewhere, "node_modules/typescript/bin/tsc").catch(
        (error: { stdout: string }) => error,
      );
      assert.equal(stdout, "", lib.join());
    }
  });

  test("does in a program elsewhere what the documents show, letter for letter", async () => {
    const edge = `tcp://127.0.0.1:${await freePort()}`;
    const recipes = await writeRecipes(elsewhere, edge);
    assert.ok(recipes.length >= 8, recipes.join());
    await writeFile(
      join(elsewhere, "all.js"),
      `import { createNode } from "polarity-proxy";
       const node = createNode({ node: { name: "edge" }, links: { accept: [{ url: ${JSON.stringify(edge)} }] } });
       await node.start();
       globalThis.edge = ${JSON.stringify(edge)};
       for (const recipe of ${JSON.stringify(recipes)}) await import("./" + recipe);
       process.exit(0);`,
    );
    const { stdout, stderr } = await inNode(elsewhere, "all.js");
    for (const line of [
      "you asked for /foo",
      "hello",
      '[ "db", "hello" ]',
      "200",
      "http://phone0.=54wo=20=57ords/path",
      "you said hello",
      "closed: client-close",
    ]) {
      assert.ok(stdout.replaceAll("'", '"').split("\n").includes(line), `${line} in\n${stdout}\n${stderr}`);
    }
  });
});

/** What the README's recipe dials. */
const README_EDGE = "wss://edge.example.com:8000";

/** As strict as TypeScript can be told to be, the package's own declarations included. */
const STRICTEST = {
  target: "es2025",
  module: "nodenext",
  types: ["node"],
  noEmit: true,
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noPropertyAccessFromIndexSignature: true,
  noImplicitOverride: true,
  verbatimModuleSyntax: true,
  isolatedModules: true,
  skipLibCheck: false,
};

/** The examples of the documents, each as a file of its own; `edge`, a global there, is what they call a router's URL. */
async function writeRecipes(folder: string, edge: string): Promise<string[]> {
  const documents = ["docs/SDK.md", "README.md"].map((path) => readFile(join(root, path), "utf8"));
  const codes = (await Promise.all(documents)).flatMap((text) =>
    [...text.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code!),
  );
  const names = codes.map((_, index) => `recipe-${index}.ts`);
  for (const [index, code] of codes.entries()) {
    await writeFile(join(folder, names[index]!), code.replaceAll(README_EDGE, edge));
  }
  await writeFile(join(folder, "edge.d.ts"), "declare const edge: string;\n");
  await writeFile(join(folder, "program.ts"), PROGRAM);
  return names;
}

/** Uses what the recipes do not, where the DOM's types are as well. */
const PROGRAM = `
  import { request } from "node:http";
  import { connect } from "node:http2";
  import { createDialer, createNode, PolarityError, type Channel, type NodeView } from "polarity-proxy";
  const dialer = createDialer({ resolver: { phone0: edge }, token: "secret" });
  dialer.resolver.set("phone1", edge);
  request("http://phone0.web/", { agent: dialer.agent() }).end();
  connect("http://phone0.web", { createConnection: () => dialer.open("phone0.web") }).close();
  const dispatcher: object = dialer.dispatcher();
  const answer: Response = await dialer.fetch("http://phone0.web/");
  const node = createNode({ services: { web: { target: "http://127.0.0.1:3000" } } });
  node.on("error", (error: PolarityError) => console.error(error.code, dispatcher, answer.status));
  const view: NodeView = node.view();
  export const close = (channel: Channel): boolean => channel.close() && view.links.length > 0;
`;

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
  await writeFile(join(into, "package.json"), JSON.stringify({ private: true, type: "module" }));
  const { devDependencies } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as {
    devDependencies: Record<string, string>;
  };
  const compiler = ["typescript", "@types/node"].map((name) => `${name}@${devDependencies[name]}`);
  const flags = ["--prefix", into, "--prefer-offline", "--no-audit", "--no-fund"];
  // Without a lock file npm asks the registry for versions; packages themselves mostly come from its cache.
  await npm(into, "install", ...flags, tarball, ...compiler);
}

/** Runs a script with the Node.js that runs this test. */
async function inNode(where: string, script: string): Promise<{ stdout: string; stderr: string }> {
  return await run(process.execPath, [script], { cwd: where, timeout: COMMAND_TIMEOUT_MS });
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
