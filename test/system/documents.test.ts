/** What the documents tell people to type must be what the program takes. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { loadConfigFile } from "../../src/config/file.ts";
import { TestAuthority } from "../support/certificates.ts";

const root = join(import.meta.dirname, "..", "..");
const DOCUMENTS = ["README.md", "docs/SEEDS.md", "docs/TLS.md"];
const COMMAND_TIMEOUT_MS = 30_000;

test("every command and flag in the documents is one that the program knows", async () => {
  const flagsOf = new Map<string, Set<string>>();
  for (const [subcommand, flags] of (await Promise.all(DOCUMENTS.map(commandsIn))).flat()) {
    flagsOf.set(subcommand, new Set([...(flagsOf.get(subcommand) ?? []), ...flags]));
  }
  assert.ok(flagsOf.size >= 4, "the documents show commands");
  for (const [subcommand, flags] of flagsOf) {
    const { code, output } = await polarity(subcommand, "--help");
    assert.equal(code, 0, `polarity ${subcommand} --help: ${output}`);
    for (const flag of flags) assert.ok(output.includes(`${flag} `), `polarity ${subcommand} takes ${flag}`);
  }
});

test("the README's configuration is valid", async () => {
  const folder = await mkdtemp(join(tmpdir(), "polarity-documents-"));
  try {
    const block = /```yaml\n(.*?)```/s.exec(await readFile(join(root, "README.md"), "utf8"))?.[1];
    assert.ok(block !== undefined, "the README shows a configuration");
    const config = join(folder, "polarity.yaml");
    await writeFile(config, block);
    await writeFile(join(folder, "tokens.yaml"), 'laptop: "some-long-secret"\n');
    const { cert, key } = await (await TestAuthority.create()).issue({ dns: ["edge.example.com"] });
    await writeFile(join(folder, "edge.crt"), cert);
    await writeFile(join(folder, "edge.key"), key);
    const { code, output } = await polarity("validate", "-c", config);
    assert.equal(code, 0, output);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("each configuration in the recipes of TLS is valid", async () => {
  const folder = await mkdtemp(join(tmpdir(), "polarity-documents-"));
  try {
    const blocks = [...(await readFile(join(root, "docs/TLS.md"), "utf8")).matchAll(/```yaml\n(.*?)```/gs)];
    assert.ok(blocks.length >= 5);
    const authority = await TestAuthority.create();
    await writeFile(join(folder, "token"), "some-long-secret");
    for (const [, block] of blocks) {
      for (const [name] of block!.matchAll(/[\w-]+\.crt/g)) {
        const { cert, key } = await authority.issue({ dns: ["example.com"] });
        await writeFile(join(folder, name), cert);
        await writeFile(join(folder, name.replace(".crt", ".key")), key);
      }
      const config = join(folder, "polarity.yaml");
      await writeFile(config, block!);
      assert.doesNotThrow(() => loadConfigFile(config, {}), block);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

/** Each `polarity SUBCOMMAND …` of a document's shell blocks, with the flags that it uses. */
async function commandsIn(document: string): Promise<[string, string[]][]> {
  const text = await readFile(join(root, document), "utf8");
  const blocks = [...text.matchAll(/```sh\n(.*?)```/gs)].map(([, block]) => block!.replaceAll("\\\n", " "));
  const inline = [...text.matchAll(/`(polarity [^`]+)`/g)].map(([, command]) => command!);
  const lines = blocks.flatMap((block) => block.split("\n")).concat(inline);
  return lines.flatMap((line) => {
    const [, subcommand, rest] = /(?:^|[='"])polarity ([a-z-]+)(.*)/.exec(line) ?? [];
    if (subcommand === undefined || NOT_YET.has(subcommand)) return [];
    const flags = [...rest!.replace(/ #.*/, "").matchAll(/ (--[a-z][a-z-]*)/g)].map(([, flag]) => flag!);
    return [[subcommand, flags]];
  });
}

/** Commands that the documents name to say that they are not there. */
const NOT_YET = new Set(["controller", "segment", "foo-proxy"]);

async function polarity(...commandLine: readonly string[]): Promise<{ code: number; output: string }> {
  return await new Promise((resolve) => {
    const all = [join(root, "bin/polarity.js"), ...commandLine];
    execFile(process.execPath, all, { cwd: root, timeout: COMMAND_TIMEOUT_MS }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), output: stdout + stderr });
    });
  });
}
