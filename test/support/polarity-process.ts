/**
 * The command line as a real process, for tests: its output, its exit, and the addresses that it bound.
 *
 * The processes are tethered to the test (see src/cli/parent.ts), so that none outlives it whatever happens.
 */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";

export const BIN = fileURLToPath(new URL("../../bin/polarity.js", import.meta.url));

/** No test waits longer for anything that a process should do. */
const PATIENCE_MS = 20_000;

export interface Addresses {
  readonly links: readonly string[];
  readonly listeners: readonly string[];
  readonly admin?: string;
}

export interface ProcessOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** The test causes failures of the node on purpose; any other such failure fails the test. */
  readonly expectsFailures?: boolean;
  /** The Node.js to start it with; by default the one that runs the test. */
  readonly node?: string;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class PolarityProcess {
  stdout = "";
  stderr = "";
  outputEnded = false;
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcess;
  readonly #args: readonly string[];
  #addresses: Addresses | undefined;
  #changed = Promise.withResolvers<void>();
  #exit: Exit | undefined;

  /** Killed when the test ends, if it runs still. */
  constructor(context: TestContext, args: readonly string[], options: ProcessOptions = {}) {
    this.#args = args;
    this.#child = spawn(options.node ?? process.execPath, [BIN, ...args], {
      cwd: options.cwd,
      env: { ...cleanEnvironment(), POLARITY_TETHER: "test", ...expectation(options), ...options.env },
      stdio: ["pipe", "pipe", "pipe", "ipc"],
    });
    this.#child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text;
      this.#wake();
    });
    this.#child.stdout?.on("end", () => {
      this.outputEnded = true;
      this.#wake();
    });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
      this.#wake();
    });
    // A process may end without reading what it was sent.
    this.#child.stdin?.on("error", () => {});
    this.#child.on("message", (message: { type: string; addresses: Addresses }) => {
      this.#addresses = message.addresses;
      this.#wake();
    });
    const exited = Promise.withResolvers<Exit>();
    this.exited = exited.promise;
    this.#child.on("error", exited.reject);
    this.#child.on("close", (code, signal) => {
      this.#exit = { code, signal };
      exited.resolve(this.#exit);
      this.#wake();
    });
    context.after(async () => {
      this.#child.kill("SIGKILL");
      await this.exited;
      const failed =
        options.expectsFailures === true ? null : /[^\n]*this node failed, please report it[^\n]*/.exec(this.stderr);
      if (failed !== null) throw new Error(`polarity ${args.join(" ")}: ${failed[0]}`);
    });
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** Resolves when the node has bound its addresses. */
  ready(): Promise<Addresses> {
    return this.until("ready", () => this.#addresses);
  }

  /** Resolves with what `find` gives as soon as it gives anything; it is asked whenever the process has said something. */
  async until<Value>(what: string, find: () => Value | null | undefined): Promise<Value> {
    const late = AbortSignal.timeout(PATIENCE_MS);
    for (;;) {
      const found = find();
      if (found !== undefined && found !== null) return found;
      if (this.#exit !== undefined) throw new Error(`${this.#story()} ended before ${what}`);
      if (late.aborted) throw new Error(`${this.#story()} was not ${what} within ${PATIENCE_MS} ms`);
      const expired = Promise.withResolvers<void>();
      late.addEventListener("abort", () => expired.resolve(), { once: true });
      await Promise.race([this.#changed.promise, expired.promise]);
    }
  }

  send(text: string): void {
    this.#child.stdin?.write(text);
  }

  endInput(): void {
    this.#child.stdin?.end();
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  #story(): string {
    return `polarity ${this.#args.join(" ")} (stdout: ${this.stdout}, stderr: ${this.stderr})`;
  }
}

export interface Finished extends Exit {
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end; `input` is its standard input. */
export async function run(
  context: TestContext,
  args: readonly string[],
  options: ProcessOptions & { readonly input?: string } = {},
): Promise<Finished> {
  const command = new PolarityProcess(context, args, options);
  if (options.input !== undefined) command.send(options.input);
  command.endInput();
  const exit = await command.exited;
  return { ...exit, stdout: command.stdout, stderr: command.stderr };
}

function expectation({ expectsFailures }: ProcessOptions): Record<string, string> {
  return expectsFailures === true ? { POLARITY_TEST_EXPECTS_FAILURES: "1" } : {};
}

/** The environment without settings of whoever runs the tests. */
function cleanEnvironment(): Record<string, string | undefined> {
  const kept = Object.entries(process.env).filter(([name]) => !/^(POLARITY_(?!TEST)|NODE_TEST_CONTEXT$)/.test(name));
  return Object.fromEntries(kept);
}
