import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import type { TestContext } from "node:test";
import { test } from "node:test";
import { BIN, run } from "../support/polarity-process.ts";

function temporaryFolder(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "polarity-cli-"));
  context.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

test("a command line that cannot be understood exits 64 with one line", async (t) => {
  const cases: readonly (readonly [readonly string[], string])[] = [
    [["routr"], "polarity: unknown command 'routr' (did you mean router?)\n"],
    [["router", "--lsiten", ":1"], "polarity: unknown option '--lsiten' (did you mean --listen?)\n"],
    [["connect"], "polarity: missing required argument 'target'\n"],
    [["config", "import"], "polarity: missing required argument 'file'\n"],
    [["config", "imprt"], "polarity: unknown command 'imprt' (did you mean import?)\n"],
    [
      ["get", "service"],
      "polarity: what: expected one of services, links, nodes, sessions, listeners, certificates, analyses, not service (did you mean services?)\n",
    ],
    [
      ["get", "links", "-o", "jsn"],
      "polarity: --output: expected one of table, wide, json, yaml, not jsn (did you mean json?)\n",
    ],
    [
      ["connect", "3000", "--token=S3cret"],
      "polarity: unknown option '--token': others on this machine can read a command line, so a token comes from a file: --token-file PATH\n",
    ],
    [
      ["router", "--listen", "tcp://127.0.0.1:1"],
      "polarity: --listen: a tcp:// listener serves one service: write tcp://127.0.0.1:1=SERVICE\n",
    ],
    [["connect", "3000", "--links", "0"], "polarity: --links: expected a whole number from 1 to 1000\n"],
    [["router", "--tls-key", "k"], "polarity: --tls-cert and --tls-key need each other\n"],
  ];
  await Promise.all(
    cases.map(async ([args, line]) => {
      const { code, stdout, stderr } = await run(t, args);
      assert.deepEqual({ code, stdout, stderr }, { code: 64, stdout: "", stderr: line });
    }),
  );
});

test("what was asked for goes to standard output and exits 0", async (t) => {
  const version = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  const [first, second, help, schema] = await Promise.all(
    [["version"], ["--version"], ["--help"], ["schema"]].map((args) => run(t, args)),
  );
  assert.equal(first?.stdout, `${version.version}\n`);
  assert.equal(second?.stdout, `${version.version}\n`);
  assert.match(help?.stdout ?? "", /connect \[options\] <target\.\.\.>/);
  assert.equal((JSON.parse(schema?.stdout ?? "") as { type: string }).type, "object");
  for (const finished of [first, second, help, schema]) assert.deepEqual([finished?.code, finished?.stderr], [0, ""]);
});

test("validate says what is wrong with a file, by line and column, and exits 1", async (t) => {
  const cwd = temporaryFolder(t);
  writeFileSync(
    join(cwd, "polarity.yaml"),
    "node: { name: a }\nlisteners:\n  - url: http://0.0.0.0:8001\n  - url:\n      80020\n",
  );
  const wrong = await run(t, ["validate"], { cwd });
  assert.deepEqual([wrong.code, wrong.stdout], [1, ""]);
  assert.equal(
    wrong.stderr,
    "polarity.yaml:5:7: listeners[1].url: expected a URL such as http://0.0.0.0:8001: a port is a number from 0 to 65535, not 80020 (got 80020)\n",
  );

  writeFileSync(join(cwd, "right.yaml"), "node: { name: a }\nlisteners:\n  - url: http://127.0.0.1:${PORT}\n");
  const right = await run(t, ["validate", "-c", "right.yaml"], { cwd, env: { PORT: "8001" } });
  assert.deepEqual([right.code, right.stderr], [0, ""]);
  assert.equal(right.stdout, "right.yaml: valid, node a with 0 links, 0 services, 1 listener\n");

  const named = await run(t, ["validate"], { cwd, env: { POLARITY_CONFIG: "right.yaml", PORT: "x" } });
  assert.deepEqual([named.code], [1]);
  assert.match(named.stderr, /^right\.yaml:3:10: listeners\[0\]\.url: .* not x \(got http:\/\/127\.0\.0\.1:x\)\n$/);
});

test("a wrong configuration file keeps a node from starting, with exit code 1", async (t) => {
  const cwd = temporaryFolder(t);
  writeFileSync(join(cwd, "polarity.yaml"), "listener: []\n");
  const { code, stderr } = await run(t, ["run"], { cwd });
  assert.deepEqual([code, stderr], [1, "polarity.yaml:1:1: listener: unknown key; did you mean listeners?\n"]);
});

test("environment variables stand in for flags, and flags win", async (t) => {
  const wrong = await run(t, ["router"], { env: { POLARITY_LISTEN: "http://127.0.0.1:1 nonsense" } });
  assert.equal(wrong.code, 64);
  assert.match(
    wrong.stderr,
    /^polarity: POLARITY_LISTEN: expected a URL such as http:\/\/0\.0\.0\.0:8001: the port is missing \(got nonsense\)\n$/,
  );
  const node = await run(t, ["status"], { env: { POLARITY_NODE: "http://127.0.0.1:1" } });
  assert.deepEqual(
    [node.code, node.stderr],
    [1, "polarity: no node answers on http://127.0.0.1:1: connection refused\n"],
  );
  const flag = await run(t, ["status", "--node", "http://127.0.0.1:2"], {
    env: { POLARITY_NODE: "http://127.0.0.1:1" },
  });
  assert.match(flag.stderr, /127\.0\.0\.1:2/);
});

test("a user without a home has the configuration of the machine", { skip: process.getuid?.() !== 0 }, (t) => {
  const cwd = temporaryFolder(t);
  chmodSync(cwd, 0o755);
  // Nobody whom the machine knows.
  const options = { cwd, uid: 54_321, gid: 54_321, env: { PATH: "/usr/bin:/bin" }, encoding: "utf8" } as const;
  const { status, stderr } = spawnSync(process.execPath, [BIN, "run"], options);
  const line =
    "polarity: no configuration: there is neither polarity.yaml nor /etc/polarity/polarity.yaml; name one with --config\n";
  assert.deepEqual([status, stderr], [1, line]);
});

test("a link listener beyond this machine needs tokens, certificates, or the word insecure", async (t) => {
  const { code, stderr } = await run(t, ["router", "--link", "tcp://0.0.0.0:0"]);
  assert.equal(code, 1);
  assert.match(stderr, /^polarity: --link: tcp:\/\/0\.0\.0\.0:0 is reachable beyond this machine .*--insecure\)\n$/);
});

/** A Node.js that is too old for us, where this machine has one. */
function olderNode(): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => !folder.includes("node_modules"));
  const candidates = [
    process.env["npm_node_execpath"] ?? process.execPath,
    ...folders.map((folder) => join(folder, "node")),
  ];
  return candidates.find((path) => {
    const { status, stdout } = spawnSync(path, ["--version"], { encoding: "utf8" });
    return status === 0 && Number(/^v(\d+)/.exec(stdout)?.[1]) < 24;
  });
}

test("an older Node.js runs it under the one of the checkout, with the same output and exit code", async (t) => {
  const node = olderNode();
  if (node === undefined) {
    t.diagnostic("this machine has no Node.js older than 24 to try");
    return;
  }
  const good = spawnSync(node, [BIN, "version"], { encoding: "utf8" });
  assert.deepEqual([good.status, good.stderr], [0, ""]);
  const bad = spawnSync(node, [BIN, "routr"], { encoding: "utf8" });
  assert.deepEqual([bad.status, bad.stdout], [64, ""]);
  assert.match(bad.stderr, /unknown command 'routr'/);
});
