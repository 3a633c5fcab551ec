/**
 * Every process that the benchmark starts, so that none outlives it.
 *
 * Three guards: `stopAll` in `finally` and on signals; `setpriv --pdeathsig KILL`, by which the kernel ends a child whose
 * parent was killed; and programs that are one process each (no masters, no daemons), so that a pid is all there is.
 */
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import type { Tools } from "./tools.ts";

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const STDOUT_CHARACTERS_MAX = 8 * 1024 * 1024;
const OUTPUT_CHARACTERS_MAX = 16_384;

/** A running program. Its last output is kept, for the message when it fails. */
export class Child {
  readonly name: string;
  readonly pid: number;
  readonly exited: Promise<Exit>;
  readonly #process: ChildProcessWithoutNullStreams;
  #stdout = "";
  #stderr = "";
  #exit: Exit | undefined;
  #onStdout: () => void = () => {};

  constructor(name: string, child: ChildProcessWithoutNullStreams, pid: number) {
    this.name = name;
    this.pid = pid;
    this.#process = child;
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      this.#stdout += text;
      if (this.#stdout.length > 2 * STDOUT_CHARACTERS_MAX) this.#stdout = this.#stdout.slice(-STDOUT_CHARACTERS_MAX);
      this.#onStdout();
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-OUTPUT_CHARACTERS_MAX);
    });
    this.exited = new Promise((resolve) => {
      child.on("close", (code, signal) => {
        this.#exit = { code, signal };
        this.#onStdout();
        resolve(this.#exit);
      });
    });
  }

  get running(): boolean {
    return this.#exit === undefined;
  }

  get stdout(): string {
    return this.#stdout;
  }

  /** What it said last, on both outputs. */
  get lastWords(): string {
    return `${this.#stdout.slice(-OUTPUT_CHARACTERS_MAX)}${this.#stderr}`.trim().split("\n").slice(-24).join("\n");
  }

  signal(signal: NodeJS.Signals): void {
    if (this.running) this.#process.kill(signal);
  }

  /** The next whole line on stdout; fails when the program ends or says nothing for too long. */
  async line(timeoutMs: number): Promise<string> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const end = this.#stdout.indexOf("\n");
      if (end >= 0) {
        const line = this.#stdout.slice(0, end);
        this.#stdout = this.#stdout.slice(end + 1);
        return line;
      }
      if (!this.running) throw new Error(`${this.name} ended before it answered: ${this.lastWords}`);
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`${this.name} said nothing for ${timeoutMs} ms: ${this.lastWords}`);
      const timer = new AbortController();
      await Promise.race([
        new Promise<void>((resolve) => (this.#onStdout = resolve)),
        delay(left, undefined, { signal: timer.signal }).catch(() => {}),
      ]);
      timer.abort();
      this.#onStdout = () => {};
    }
  }

  /** SIGTERM, then SIGKILL after the grace. A stopped (SIGSTOP) program is woken so that it can go. */
  async stop(graceMs = 1_000): Promise<Exit> {
    if (this.#exit !== undefined) return this.#exit;
    this.signal("SIGCONT");
    this.signal("SIGTERM");
    const timer = setTimeout(() => this.signal("SIGKILL"), graceMs);
    const exit = await this.exited;
    clearTimeout(timer);
    return exit;
  }

  async kill(): Promise<Exit> {
    this.signal("SIGKILL");
    return await this.exited;
  }
}

export class Processes {
  readonly #children = new Set<Child>();
  readonly #tools: Tools;

  constructor(tools: Tools) {
    this.#tools = tools;
  }

  get pids(): number[] {
    return [...this.#children].map((child) => child.pid);
  }

  start(name: string, command: string, args: readonly string[]): Child {
    const guarded = ["--pdeathsig", "KILL", "--", command, ...args];
    const child = spawn(this.#tools.path("setpriv"), guarded, { stdio: "pipe" });
    if (child.pid === undefined) {
      child.on("error", () => {});
      throw new Error(`cannot start ${name}: ${command}`);
    }
    // Programs that end while we write to them are noticed by their exit.
    child.stdin.on("error", () => {});
    const started = new Child(name, child, child.pid);
    this.#children.add(started);
    void started.exited.then(() => this.#children.delete(started));
    return started;
  }

  /** A TypeScript program of this folder, on the Node that runs the benchmark. */
  startScript(name: string, script: URL, options: unknown): Child {
    return this.start(name, process.execPath, [script.pathname, JSON.stringify(options)]);
  }

  /** Runs a program to its end and returns what it wrote. */
  async run(child: Child, timeoutMs: number): Promise<string> {
    const timer = setTimeout(() => child.signal("SIGKILL"), timeoutMs);
    const exit = await child.exited;
    clearTimeout(timer);
    if (exit.code === 0) return child.stdout;
    const how = exit.signal === null ? `with ${exit.code}` : `by ${exit.signal}`;
    throw new Error(`${child.name} ended ${how} (it had ${timeoutMs} ms): ${child.lastWords}`);
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.#children].map((child) => child.stop()));
  }
}
