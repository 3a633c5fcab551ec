/**
 * Runs a node as this process: starts it, says what listens where, obeys signals, and turns its end into an exit code.
 *
 * SIGTERM and SIGINT drain, a second one ends at once; SIGHUP reads the configuration and its files again, and keeps the old
 * ones if the new ones are wrong, or drains where flags were typed at a terminal that closes; SIGUSR2 prints the statistics as one line of JSON on standard output; SIGUSR1 is reserved.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "../base/clock.ts";
import { systemClock } from "../base/clock.ts";
import { messageOf } from "../base/errors.ts";
import { stackOf } from "../base/internal-error.ts";
import type { LoadedConfig } from "../config/file.ts";
import type { NodeConfig } from "../config/node-config.ts";
import type { NodeObserver } from "../node/node-observer.ts";
import { EXIT } from "./exit-code.ts";
import { createLogger } from "./log.ts";
import { announceReady } from "./parent.ts";
import { reportReservedSignal, RESERVED_SIGNAL } from "./reserved-signal.ts";
import { RunningNode } from "./running-node.ts";
import { startReport } from "./start-report.ts";
import { StopRequests } from "./stop-requests.ts";

export interface RunOptions {
  readonly loaded: LoadedConfig;
  /** Reads the configuration again, and the files that it names. */
  readonly load: () => LoadedConfig;
  /** The configuration is the command's flags. */
  readonly fromFlags: boolean;
  /** What the command shows of its node, beside the admin API. */
  readonly face?: NodeFace;
  /** Who is told of links and offers. */
  readonly observe?: (logger: Logger) => NodeObserver;
}

export interface NodeFace {
  /** Before the node is started. Resolves with the address as bound. */
  start(node: RunningNode): Promise<string>;
  stop(): Promise<void>;
  /** What SIGUSR2 prints. */
  statisticsLine(node: RunningNode): string;
}

/** Resolves when the node has ended, with the process's exit code. */
export async function runNode(options: RunOptions): Promise<number> {
  const { config, warnings } = options.loaded;
  const logger = await createLogger(config.log, config.node.name);
  for (const warning of warnings) logger.warn({}, warning);
  const runner = new NodeRunner(options, logger);
  runner.obeySignals();
  // What no guard caught is a bug, and nobody knows what else it broke: the process says so in its log, and ends.
  process.on("uncaughtException", (error, origin) => {
    const frames = stackOf(error).split("\n");
    const story = frames.map((line) => line.trim()).join("; ");
    logger.error(
      { code: "INTERNAL", where: origin },
      `this node failed, please report it; it ends now (${origin}): ${story}`,
    );
    process.exit(EXIT.failed);
  });
  return await runner.run();
}

/** What is written to a terminal that has closed is lost, and no reason to end before the drain has. */
function outliveTerminal(): void {
  for (const stream of [process.stdin, process.stdout, process.stderr]) stream.on("error", () => {});
}

/** How much longer than its own deadline a drain may take before it counts as stuck. */
const DRAIN_GRACE_MS = 2_000;

class NodeRunner {
  readonly #config: NodeConfig;
  readonly #logger: Logger;
  readonly #face: NodeFace | undefined;
  readonly #node: RunningNode;
  readonly #ended = Promise.withResolvers<number>();
  readonly #handlers: readonly (readonly [NodeJS.Signals, () => void])[];
  #started = false;
  /** How the node ended, once nothing is left to stop. */
  #code: number | undefined;
  readonly #stops = new StopRequests(systemClock);

  constructor({ loaded, load, fromFlags, face, observe }: RunOptions, logger: Logger) {
    this.#config = loaded.config;
    this.#face = face;
    this.#logger = logger;
    this.#node = new RunningNode({
      loaded,
      load,
      logger,
      observer: observe?.(logger),
      drainAsked: () => this.#stop(),
    });
    // A terminal that closes says so by this signal. Who typed the flags there wants the node no longer than it.
    const endsWithTerminal = fromFlags && (process.stdin.isTTY || process.stderr.isTTY);
    if (endsWithTerminal) outliveTerminal();
    this.#handlers = [
      ["SIGTERM", () => this.#stop("SIGTERM")],
      ["SIGINT", () => this.#stop("SIGINT")],
      ["SIGHUP", () => (endsWithTerminal ? this.#stop("SIGHUP") : void this.#reload())],
      [RESERVED_SIGNAL, () => reportReservedSignal(this.#logger)],
      ["SIGUSR2", () => process.stdout.write(`${this.#statisticsLine()}\n`)],
    ];
  }

  /** For as long as there is a process: a signal that meets one on its way out must not change what its exit says. */
  obeySignals(): void {
    for (const [signal, handler] of this.#handlers) process.on(signal, handler);
  }

  async run(): Promise<number> {
    const http = await this.#start();
    const addresses = { ...this.#node.addresses, http };
    if (process.stderr.isTTY) process.stderr.write(startReport(this.#config, addresses));
    else this.#logger.info({ ...addresses, pid: process.pid }, `node "${this.#config.node.name}" has started`);
    announceReady(addresses);
    this.#started = true;
    // A signal may have come while it started.
    if (this.#stops.any) void this.#drain();
    const code = await this.#ended.promise;
    await this.#node.stop();
    await this.#face?.stop();
    this.#code = code;
    return code;
  }

  async #start(): Promise<string | undefined> {
    const http = await this.#face?.start(this.#node);
    try {
      await this.#node.start();
    } catch (error) {
      await this.#face?.stop();
      throw error;
    }
    return http;
  }

  #statisticsLine(): string {
    return this.#face?.statisticsLine(this.#node) ?? JSON.stringify(this.#node.view());
  }

  /** `signal` is undefined where the admin API asked. */
  #stop(signal?: NodeJS.Signals): void {
    if (this.#code !== undefined) process.exit(this.#code);
    const request = this.#stops.receive(signal);
    if (request === "first") {
      const { drainMsMax } = this.#node;
      this.#logger.info({ drainMsMax }, `draining for at most ${drainMsMax} ms; a second signal stops at once`);
      if (this.#started) void this.#drain();
    } else if (request === "second" && signal !== undefined) {
      this.#logger.warn({ signal }, "stopped by a second signal, work under way is cut off");
      process.exit(EXIT.forced);
    }
  }

  async #drain(): Promise<void> {
    // The node keeps the deadline itself; this one only stops a stuck drain from keeping the process.
    const late = delay(this.#node.drainMsMax + DRAIN_GRACE_MS, { cutOff: 1 }, { ref: false });
    try {
      const { cutOff } = await Promise.race([this.#node.finish(), late]);
      if (cutOff > 0) this.#logger.warn({ cutOff }, `stopped with work cut off: ${cutOff}`);
      else this.#logger.info({}, "drained");
      this.#ended.resolve(cutOff > 0 ? EXIT.cutOff : EXIT.done);
    } catch (error) {
      this.#logger.error({ error }, `draining failed: ${messageOf(error)}`);
      this.#ended.resolve(EXIT.cutOff);
    }
  }

  async #reload(): Promise<void> {
    if (!this.#started || this.#stops.any) return;
    try {
      await this.#node.reload();
    } catch (error) {
      for (const line of messageOf(error).split("\n")) this.#logger.error({}, line);
      this.#logger.error({}, "the configuration was not reloaded, the old one stays");
    }
  }
}
