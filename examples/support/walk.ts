/**
 * What the walk-throughs share: Polarity's commands as a shell would run them, checks with a line of output each, and an end
 * that leaves nothing behind.
 *
 * An example that passes prints `N of N right.` and exits 0; whatever it started has ended by then. The processes are
 * tethered: they end too when the example itself is killed.
 */
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

import { Command, type Finished, type RunningNode, startNode } from "./command.ts";

const CHECK_WITHIN_MS = 30_000;
const ASK_EVERY_MS = 10;

export interface Walk {
  /** Starts a node and resolves when it has bound its addresses: `start("router --link tcp://127.0.0.1:0")`. */
  start(commandLine: string): Promise<RunningNode>;
  /** Runs a command to its end. `input` is its standard input. */
  run(commandLine: string, input?: string): Promise<Finished>;
  /** Does one thing that a user would, and says whether it went well: with what `prove` returns, or why it threw. */
  check(what: string, prove: () => Promise<string>): Promise<void>;
  /** A headline of the output. */
  part(title: string): void;
  /** Called when the walk is over, the last one first. */
  after(end: () => unknown): void;
}

/** Walks the way, prints it, and leaves the process's exit code. */
export async function walk(title: string, way: (walk: Walk) => Promise<void>): Promise<void> {
  const ends: (() => unknown)[] = [];
  let done = 0;
  let right = 0;
  say(title);
  try {
    await way({
      start: async (commandLine) => {
        const node = await startNode(commandLine);
        ends.push(() => node.stop());
        say(`  $ polarity ${commandLine}   # process ${node.pid}`);
        return node;
      },
      run: async (commandLine, input) => {
        const command = new Command(commandLine);
        ends.push(() => command.kill());
        say(`  $ ${input === undefined ? "" : "… | "}polarity ${commandLine}`);
        command.endInput(input);
        return await command.finished;
      },
      check: async (what, prove) => {
        done++;
        try {
          say(`  ✓ ${what}: ${await inTime(prove())}`);
          right++;
        } catch (error) {
          say(`  ✗ ${what}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
        }
      },
      part: (headline) => say(`\n${headline}`),
      after: (end) => ends.push(end),
    });
  } catch (error) {
    done++;
    say(`  ✗ ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    for (const end of ends.toReversed()) await end();
  }
  say(`\n${right} of ${done} right.`);
  process.exitCode = right === done ? 0 : 1;
}

/** Asks again and again until the answer is not false; with what `find` gave. */
export async function until<Value>(what: string, find: () => Promise<Value | false>): Promise<Value> {
  const deadline = performance.now() + CHECK_WITHIN_MS;
  for (;;) {
    const found = await find();
    if (found !== false) return found;
    if (performance.now() > deadline) throw new Error(`not within ${CHECK_WITHIN_MS} ms: ${what}`);
    await delay(ASK_EVERY_MS);
  }
}

/** A port that nobody has now, for what is dialled before it listens; below those that systems give to connections. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(10_000, 30_000);
    const probe = createServer().listen(port, "127.0.0.1");
    const free = await once(probe, "listening").then(
      () => true,
      () => false,
    );
    if (!free) continue;
    probe.close();
    await once(probe, "close");
    return port;
  }
}

async function inTime<Value>(promise: Promise<Value>): Promise<Value> {
  const over = new AbortController();
  const late = delay(CHECK_WITHIN_MS, undefined, { signal: over.signal }).then(() => {
    throw new Error(`not within ${CHECK_WITHIN_MS} ms`);
  });
  late.catch(() => {});
  try {
    return await Promise.race([promise, late]);
  } finally {
    over.abort();
  }
}

function say(line: string): void {
  console.log(line);
}
