/** What the documents tell people to type must be what the program takes: commands, flags, variables, configurations and code. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { parse } from "yaml";
import { messageOf } from "../../src/base/errors.ts";
import { parseConfig } from "../../src/config/file.ts";
import { configReference } from "../../src/config/reference.ts";
import { type Certificate, TestAuthority } from "../support/certificates.ts";
import { type Block, blocksOf, documents, type MarkdownDocument, spansOf } from "../support/documents.ts";
import { commandProblems, commandsOf, knownFlags } from "../support/shown-commands.ts";

const root = join(import.meta.dirname, "..", "..");

let folder = "";
let authority: TestAuthority;
let pair: Certificate;

before(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "polarity-documents-")));
  authority = await TestAuthority.create();
  pair = await authority.issue({ dns: ["edge.example.com"] });
});

after(async () => await rm(folder, { recursive: true, force: true }));

test("every command in the documents is one that the program takes, with its flags and arguments", () => {
  const commands = documents.flatMap(commandsOf);
  assert.ok(commands.length > 130, `${commands.length} commands`);
  assert.ok(commands.filter(({ whole }) => whole).length > 40);
  assert.deepEqual(commands.flatMap(commandProblems), []);
});

test("every flag and variable that is named by itself is known", () => {
  const { flags, variables } = knownFlags();
  for (const [flag] of readFileSync(join(root, "bench/options.ts"), "utf8").matchAll(/--[a-z-]+/g)) flags.add(flag);
  const sources = globSync(["src/**/*.ts", "test/**/*.ts", "scripts/*.ts", "bench/options.ts"], { cwd: root })
    .filter((path) => path !== "test/system/documents.test.ts")
    .map((path) => readFileSync(join(root, path), "utf8"))
    .join("\n");
  const problems = documents
    .filter(({ path }) => path !== "docs/API.md")
    .flatMap((document) => spansOf(document).map((span) => ({ ...span, path: document.path })))
    .flatMap(({ path, line, text }) => {
      const [flag] = /^--?[a-z][a-z-]*/.exec(text) ?? [];
      const unknownFlag = flag !== undefined && !flags.has(flag) && !flags.has(`-${flag}`);
      const unknown = [...text.matchAll(/\bPOLARITY_[A-Z_]+/g)].filter(
        ([name]) => !variables.has(name) && !sources.includes(name),
      );
      return unknownFlag || unknown.length > 0 ? [`${path}:${line}: ${text}`] : [];
    });
  assert.deepEqual(problems, []);
});

for (const document of documents) {
  const yaml = blocksOf(document).filter(({ language }) => language === "yaml");
  if (yaml.length === 0) continue;
  test(`each configuration in ${document.path} is valid`, () => {
    assert.deepEqual(
      yaml.flatMap((block) => configurationProblems(document, block)),
      [],
    );
  });
}

test("every key of the configuration that is named by itself is one", () => {
  const keys = configReference()
    .split("### `")
    .flatMap((section) => {
      const name = section.slice(0, section.indexOf("`"));
      return [...section.matchAll(/^\| `([^`]+)` /gm)].map(([, key]) =>
        `.${name}.${key}`.replaceAll(/\[\]|\.NAME/g, "").replace("..", "."),
      );
    });
  const first = new Set(keys.flatMap((key) => key.split(".").slice(0, -1)));
  const named = documents
    .filter(({ path }) => path !== "docs/API.md")
    .flatMap((document) => spansOf(document).map((span) => ({ ...span, path: document.path })))
    .map((span) => ({
      ...span,
      key: /^[a-zA-Z]+(?:\[\])?(?:\.[a-zA-Z]+(?:\[\])?)+(?=$|: )/.exec(span.text)?.[0] ?? "",
    }))
    .filter(({ key }) => key !== "" && first.has(key.split(/[.[]/)[0]!) && !OTHERS_KEYS.has(key));
  assert.ok(named.length > 80, `${named.length} keys`);
  assert.deepEqual(
    named
      .filter(({ key }) => !keys.some((known) => known.endsWith(`.${key.replaceAll(/\[\]|\.NAME/g, "")}`)))
      .map(({ path, line, key }) => `${path}:${line}: ${key}`),
    [],
  );
});

/** The name of a node and a service, and what the link protocol's handshake tells. */
const OTHERS_KEYS = new Set(["node.service", "limits.lines"]);

test("each piece of JSON in the documents can be read", () => {
  const blocks = documents.flatMap((document) => blocksOf(document).filter(({ language }) => language === "json"));
  for (const { text } of blocks) assert.doesNotThrow(() => void JSON.parse(text), text);
});

test("each program in the documents compiles", { timeout: 120_000 }, async () => {
  const programs = documents
    .filter(({ path }) => path !== "docs/API.md")
    .flatMap((document) => blocksOf(document).filter(({ language }) => /^(?:ts|js)$/.test(language)));
  assert.ok(programs.length >= 10, `${programs.length} programs`);
  for (const [index, { text }] of programs.entries()) writeFileSync(join(folder, `program-${index}.ts`), text);
  writeFileSync(join(folder, "edge.d.ts"), "declare const edge: string;\n");
  writeFileSync(join(folder, "package.json"), '{"type":"module"}');
  const { compilerOptions } = parse(readFileSync(join(root, "tsconfig.json"), "utf8")) as {
    compilerOptions: Readonly<Record<string, unknown>>;
  };
  const options = {
    ...compilerOptions,
    noEmit: true,
    noUnusedLocals: false,
    rootDir: "/",
    types: ["node"],
    typeRoots: [join(root, "node_modules/@types")],
    paths: { "polarity-proxy": [join(root, "src/index.ts")], "*": [join(root, "node_modules/*")] },
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: options, include: ["*.ts"] }));
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const { stdout } = await promisify(execFile)(process.execPath, [tsc, "-p", folder]).catch(
    (error: { stdout: string }) => error,
  );
  assert.equal(stdout, "");
});

/** Of a block: what a node would say of it, as the whole or the part that the comment before it says. */
function configurationProblems({ path }: MarkdownDocument, { text, note, line }: Block): string[] {
  const [, kind = note, of = ""] = /^(part of|not polarity): (.+)$/.exec(note) ?? [];
  try {
    if (kind === "not polarity") return parse(text) === null ? ["empty"] : [];
    const around = note === "" ? "" : AROUND[of];
    if (around === undefined) return [`${path}:${line}: ${note}: this test knows nothing of that`];
    const indent = " ".repeat(/\n( *)- [^\n]*\n$/.exec(around)?.[1]?.length ?? 0);
    const inner = indent === "" ? text : text.replaceAll(/^(?=.)/gm, `${indent}  `);
    const inFolder = (around + inner).replaceAll(/(?<![\w.])\/(?=(?:etc|var|run)\/)/g, `${folder}/`);
    makeFilesOf(inFolder);
    parseConfig(inFolder, { file: `${path}:${line}`, folder, environment: {} });
    return [];
  } catch (error) {
    return [messageOf(error)];
  }
}

/** What stands before a part, so that the two together are a configuration. */
const AROUND: Readonly<Record<string, string>> = {
  "a configuration": 'admin: { url: "http://127.0.0.1:8088" }\n',
  "listeners[]": "listeners:\n  - url: http://127.0.0.1:8001\n",
  "links.accept[]": "links:\n  accept:\n    - url: tcp://127.0.0.1:8000\n",
};

/** Real files for the names in it: certificates that fit their keys, tokens, and folders. */
function makeFilesOf(configuration: string): void {
  const contents: Readonly<Record<string, string>> = {
    cert: pair.cert,
    key: pair.key,
    ca: authority.cert,
    clientCa: authority.cert,
    tokenFile: "some-long-secret",
    tokensFile: 'laptop: "some-long-secret"\n',
  };
  for (const [, key, name] of configuration.matchAll(/\b(\w+): ([\w./-]+)/g)) {
    const content = contents[key!];
    if (content === undefined) continue;
    const path = name!.startsWith("/") ? name! : join(folder, name!);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content, { mode: 0o600 });
  }
  for (const [place] of configuration.matchAll(/\/[\w./-]+\.(?:sock|log)\b/g)) {
    mkdirSync(dirname(place.slice(place.indexOf(folder))), { recursive: true });
  }
}
