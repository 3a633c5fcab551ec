/** The command line of this checkout as processes of the examples. */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const BIN = fileURLToPath(new URL("../../bin/polarity.js", import.meta.url));
const STOP_WITHIN_MS = 10_000;

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Where a node can be reached. */
interface Addresses {
  readonly links: readonly string[];
  readonly listeners: readonly string[];
  readonly admin?: string;
}

/** One `polarity …` under way; words of the command line are parted by single spaces. */
export class Command {
  /** Resolves when it has ended. */
  readonly finished: Promise<Finished>;
  /** Resolves when it has bound its addresses; rejects if it ends before. */
  readonly ready: Promise<Addresses>;
  readonly #child: ChildProcess;

  constructor(commandLine: string) {
    const environment = Object.entries(process.env).filter(([name]) => !/^(POLARITY_(?!TEST)|NODE_TEST_)/.test(name));
    this.#child = spawn(process.execPath, [BIN, ...commandLine.split(" ")], {
      // A Ctrl-C is the example's, which stops what it started.
      detached: true,
      env: { ...Object.fromEntries(environment), POLARITY_TETHER: "example" },
      stdio: ["pipe", "pipe", "pipe", "ipc"],
    });
    const output = { stdout: "", stderr: "" };
    this.#child.stdout?.setEncoding("utf8").on("data", (text: string) => (output.stdout += text));
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => (output.stderr += text));
    this.#child.stdin?.on("error", () => {});
    const ready = Promise.withResolvers<Addresses>();
    const finished = Promise.withResolvers<Finished>();
    this.ready = ready.promise;
    this.finished = finished.promise;
    for (const promise of [this.ready, this.finished]) promise.catch(() => {});
    this.#child.on("message", ({ addresses }: { addresses: Addresses }) => ready.resolve(addresses));
    this.#child.on("error", finished.reject);
    this.#child.on("close", (code) => {
      finished.resolve({ code, ...output });
      ready.reject(new Error(`polarity ${commandLine} ended with ${code}: ${output.stderr}`));
    });
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  endInput(text = ""): void {
    this.#child.stdin?.end(text);
  }

  /** As `kill -9`: no goodbye to anybody. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.finished;
  }

  /** As Ctrl-C: work under way is finished. */
  async stop(): Promise<void> {
    this.#child.kill("SIGTERM");
    const late = setTimeout(() => void this.kill(), STOP_WITHIN_MS);
    await this.finished;
    clearTimeout(late);
  }
}

export interface RunningNode {
  readonly pid: number;
  /** Where nodes join, as they dial it. */
  readonly links: readonly string[];
  /** Where clients come in. */
  readonly listeners: readonly string[];
  readonly admin: string;
  stop(): Promise<void>;
  kill(): Promise<void>;
}

export async function startNode(commandLine: string): Promise<RunningNode> {
  const command = new Command(commandLine);
  const { links, listeners, admin = "" } = await command.ready;
  const { pid } = command;
  return { pid, links, listeners, admin, stop: () => command.stop(), kill: () => command.kill() };
}
