/** Programs of other projects that run to their end: their output, as it comes and whole. */
import { type ChildProcess, spawn } from "node:child_process";
import type { TestContext } from "node:test";
import { soon } from "./patience.ts";
import { type Tool, toolPath } from "./tools.ts";

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const COMMAND_WITHIN_MS = 30_000;

/** A program under way; killed when the test ends, if it runs still. Output is latin1, so that bytes can be compared. */
export class Command {
  stdout = "";
  stderr = "";
  readonly child: ChildProcess;
  readonly #exited: Promise<number | null>;
  #changed = Promise.withResolvers<void>();

  constructor(context: TestContext, program: string, parameters: readonly string[], input?: string | Buffer) {
    this.child = spawn(program, parameters, { stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"] });
    const exited = Promise.withResolvers<number | null>();
    this.#exited = exited.promise;
    this.child.stdout?.setEncoding("latin1").on("data", (text: string) => {
      this.stdout += text;
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
    });
    this.child.stderr?.setEncoding("latin1").on("data", (text: string) => {
      this.stderr += text;
    });
    this.child.stdin?.on("error", () => {});
    this.child.stdin?.end(input);
    this.child.on("error", exited.reject);
    this.child.on("close", (code) => exited.resolve(code));
    context.after(async () => {
      this.child.kill("SIGKILL");
      await this.#exited;
    });
  }

  async finished(): Promise<CommandResult> {
    const what = `the end of ${this.child.spawnargs.join(" ")}`;
    const code = await soon(what, this.#exited, COMMAND_WITHIN_MS);
    return { code, stdout: this.stdout, stderr: this.stderr };
  }

  /** Resolves when the output contains `text`. */
  async says(text: string): Promise<void> {
    while (!this.stdout.includes(text)) {
      await soon(`${JSON.stringify(text)} behind ${JSON.stringify(this.stdout.slice(-500))}`, this.#changed.promise);
    }
  }
}

/** Runs a tool to its end. */
export function runTool(
  context: TestContext,
  tool: Tool,
  parameters: readonly string[],
  input?: string | Buffer,
): Promise<CommandResult> {
  return new Command(context, toolPath(tool)!, parameters, input).finished();
}
