/** What a command leaves open to other users of the machine: the folder of compiled code, and Node.js's debugger. */
import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { readFileSync, readlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { until } from "../support/patience.ts";
import { PolarityProcess, run } from "../support/polarity-process.ts";

const isRoot = process.getuid?.() === 0;
const SOMEBODY_ELSE = 54_321;

/** A folder of ours, with a home and a folder for temporary files in it. */
function place(context: TestContext): { readonly home: string; readonly temporary: string } {
  const folder = mkdtempSync(join(tmpdir(), "polarity-users-"));
  context.after(() => rmSync(folder, { recursive: true }));
  chmodSync(folder, 0o755);
  const [home, temporary] = [join(folder, "home"), join(folder, "tmp")];
  mkdirSync(home, 0o755);
  mkdirSync(temporary, 0o777);
  return { home, temporary };
}

async function start(context: TestContext, home: string, temporary: string): Promise<void> {
  const env = { HOME: home, TMPDIR: temporary, XDG_CACHE_HOME: "", NODE_COMPILE_CACHE: "" };
  const { code, stderr } = await run(context, ["version"], { env });
  assert.deepEqual([code, stderr], [0, ""]);
  assert.deepEqual(readdirSync(temporary), [], "nothing is kept in the folder for temporary files");
}

test("compiled code is kept in a folder that nobody else can open", async (t) => {
  const { home, temporary } = place(t);
  await start(t, home, temporary);
  const kept = join(home, ".cache", "polarity", "compiled");
  assert.equal(readdirSync(kept).length, 1);
  for (const folder of [kept, join(home, ".cache", "polarity")]) assert.equal(lstatSync(folder).mode & 0o777, 0o700);
});

test("no compiled code is taken from, or kept in, a folder that others could write to", async (t) => {
  type Plant = (home: string, kept: string) => void;
  const cases: [string, Plant][] = [
    ["the folder itself is open", (_home, kept) => chmodSync(kept, 0o777)],
    ["the folder can be read by others", (_home, kept) => chmodSync(kept, 0o755)],
    ["the folder's parent can be written to", (_home, kept) => chmodSync(join(kept, ".."), 0o770)],
    ["the home can be written to", (home) => chmodSync(home, 0o777)],
    [
      "the folder is a link to one that is open",
      (home, kept) => {
        rmSync(kept, { recursive: true });
        mkdirSync(join(home, "planted"));
        chmodSync(join(home, "planted"), 0o777);
        symlinkSync(join(home, "planted"), kept);
      },
    ],
  ];
  if (isRoot) {
    cases.push(
      ["the folder is somebody else's", (_home, kept) => chownSync(kept, SOMEBODY_ELSE, SOMEBODY_ELSE)],
      ["the home is somebody else's", (home) => chownSync(home, SOMEBODY_ELSE, SOMEBODY_ELSE)],
    );
  }
  await Promise.all(
    cases.map(async ([what, plant]) => {
      const { home, temporary } = place(t);
      const kept = join(home, ".cache", "polarity", "compiled");
      mkdirSync(kept, { recursive: true, mode: 0o700 });
      chmodSync(join(home, ".cache"), 0o755);
      plant(home, kept);
      await start(t, home, temporary);
      assert.deepEqual(readdirSync(kept), [], what);
    }),
  );
});

test("without a home there is no folder of compiled code, and all works", async (t) => {
  const { temporary } = place(t);
  const homes = ["/", join(temporary, "gone"), "relative"];
  await Promise.all(homes.map((home) => start(t, home, temporary)));
  for (const home of homes) assert.ok(!existsSync(join(home, ".cache", "polarity")), home);
});

test("SIGUSR1 opens no debugger, whatever the command, and is answered by one line", async (t) => {
  const router = new PolarityProcess(t, ["router", "--link", "tcp://127.0.0.1:0", "--listen", "http://127.0.0.1:0"]);
  const [link = ""] = (await router.ready()).links;
  const nodes = [
    router,
    new PolarityProcess(t, ["connect", "web=1", "--router", link]),
    new PolarityProcess(t, ["forward", "tcp://127.0.0.1:0=web", "--router", link]),
    new PolarityProcess(t, ["foo-proxy", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--forward", "1"], {
      cwd: place(t).home,
    }),
    new PolarityProcess(t, ["foo-server", "--listen", "tcp://127.0.0.1:0"]),
  ];
  await Promise.all(
    nodes.map(async (node) => {
      await node.ready();
      node.signal("SIGUSR1");
      await node.until("told", () => /SIGUSR1 is reserved for an upgrade in place/.exec(node.stderr));
      assert.deepEqual(debuggersOf(node.pid), []);
      assert.doesNotMatch(node.stderr, /Debugger listening/);
    }),
  );
  const dial = new PolarityProcess(t, ["dial", "late", "--router", link, "--name", "caller", "--wait", "60s"]);
  await router.until("joined by it", () => /node \\"caller\\" joined/.exec(router.stderr));
  dial.signal("SIGUSR1");
  await dial.until("told", () => /SIGUSR1 is reserved for an upgrade in place/.exec(dial.stderr));
  assert.deepEqual(debuggersOf(dial.pid), []);
});

test("a debugger that a signal opened before the first line ran is closed", async (t) => {
  const early = join(place(t).home, "early.mjs");
  writeFileSync(early, 'process.kill(process.pid, "SIGUSR1"); await new Promise((done) => setTimeout(done, 50));');
  const router = new PolarityProcess(t, ["router", "--link", "tcp://127.0.0.1:0", "--listen", "http://127.0.0.1:0"], {
    env: { NODE_OPTIONS: `--import ${early}` },
  });
  const { links, listeners } = await router.ready();
  assert.match(router.stderr, /Debugger listening|address already in use/);
  const ports = [...links, ...listeners].map((url) => Number(new URL(url).port)).sort((a, b) => a - b);
  // Node.js opens it once more when it first waits for events.
  await until("it is closed", () =>
    isDeepStrictEqual(
      listeningPorts(router.pid).sort((a, b) => a - b),
      ports,
    ),
  );
  router.signal("SIGUSR2");
  await router.until("printed", () => /\n$/.exec(router.stdout));
  assert.deepEqual(
    listeningPorts(router.pid).sort((a, b) => a - b),
    ports,
  );
});

const DEBUGGER_PORT = 9229;

function debuggersOf(pid: number): number[] {
  return listeningPorts(pid).filter((port) => port === DEBUGGER_PORT);
}

/** TCP ports at which the process listens, as Linux tells. */
function listeningPorts(pid: number): number[] {
  const descriptors = new Set(
    readdirSync(`/proc/${pid}/fd`).map((name) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${name}`);
      } catch {
        return "";
      }
    }),
  );
  const ports = new Set<number>();
  for (const line of readFileSync(`/proc/${pid}/net/tcp`, "utf8").split("\n").slice(1)) {
    const [, local = "", , state, , , , , , inode] = line.trim().split(/\s+/);
    if (state === "0A" && descriptors.has(`socket:[${inode}]`))
      ports.add(Number.parseInt(local.split(":")[1] ?? "", 16));
  }
  return [...ports];
}
