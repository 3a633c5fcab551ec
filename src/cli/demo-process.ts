/** One process of the demo: this program again, tethered to us, so that it never outlives us. */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import type { BoundAddresses } from "./parent.ts";

const READY_WITHIN_MS = 15_000;
const STOP_WITHIN_MS = 5_000;
const STDERR_LINES_KEPT = 20;

export class DemoProcess {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #ready = Promise.withResolvers<BoundAddresses>();
  readonly #exited = Promise.withResolvers<string>();
  #lines: string[] = [];
  #stopping = false;

  /** `died` is called when it ends without having been stopped, with how it ended and its last words. */
  constructor(name: string, args: readonly string[], died: (message: string) => void) {
    this.name = name;
    const bin = fileURLToPath(new URL("../../bin/polarity.js", import.meta.url));
    this.#child = spawn(process.execPath, [...process.execArgv, bin, ...args], {
      // Its own process group: a Ctrl-C is ours to pass on.
      detached: true,
      env: tetheredEnvironment(),
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => this.#keep(text));
    this.#child.on("message", (message) => {
      if (isReady(message)) this.#ready.resolve(message.addresses);
    });
    this.#child.on("error", (error) => this.#ended(error.message, died));
    this.#child.on("close", (code, signal) => this.#ended(signal ?? `exit code ${code}`, died));
    // Whoever waits for it gets the rejection; nobody has to.
    this.#ready.promise.catch(() => {});
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Resolves when it has bound its addresses. */
  async ready(): Promise<BoundAddresses> {
    const timer = setTimeout(() => {
      this.#ready.reject(new Error(`the ${this.name} was not ready within ${READY_WITHIN_MS} ms`));
    }, READY_WITHIN_MS);
    try {
      return await this.#ready.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Asks it to drain; kills it if that takes too long. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.kill(), STOP_WITHIN_MS);
    await this.#exited.promise;
    clearTimeout(timer);
  }

  kill(): void {
    this.#stopping = true;
    this.#child.kill("SIGKILL");
  }

  #keep(text: string): void {
    this.#lines = [...this.#lines, ...text.split("\n").filter((line) => line !== "")].slice(-STDERR_LINES_KEPT);
  }

  #ended(how: string, died: (message: string) => void): void {
    const said = this.#lines.map((line) => `\n    ${line}`).join("");
    const message = `the ${this.name} ended by itself (${how})${said}`;
    this.#ready.reject(new Error(message));
    this.#exited.resolve(how);
    if (!this.#stopping) died(message);
    this.#stopping = true;
  }
}

/** `preferred` where it is free on 127.0.0.1, else 0, which lets the system choose. */
export async function portOrAny(preferred: number): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  const probe = createServer();
  probe.once("error", () => resolve(0));
  probe.listen(preferred, "127.0.0.1", () => probe.close(() => resolve(preferred)));
  return promise;
}

/** The user's environment without what would change how the demo's nodes run. */
function tetheredEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith("POLARITY_"));
  return { ...Object.fromEntries(kept), POLARITY_TETHER: "demo" };
}

function isReady(message: unknown): message is { readonly addresses: BoundAddresses } {
  return typeof message === "object" && message !== null && "type" in message && message.type === "ready";
}
