/**
 * Runs a node as this process: starts it, says what listens where, obeys signals, and turns its end into an exit code.
 *
 * SIGTERM and SIGINT drain, a second one ends at once; SIGHUP reads the configuration again and keeps the old one if the
 * new one is wrong; SIGUSR2 prints the statistics as one line of JSON on standard output.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "../base/clock.ts";
import { systemClock } from "../base/clock.ts";
import { messageOf, PolarityError } from "../base/errors.ts";
import type { Admin } from "../admin/admin.ts";
import type { LoadedConfig } from "../config/file.ts";
import type { NodeConfig } from "../config/node-config.ts";
import type { PolarityNode } from "../node/node.ts";
import { EXIT } from "./exit-code.ts";
import { createLogger } from "./log.ts";
import { announceReady } from "./parent.ts";
import { startReport } from "./start-report.ts";
import { packageVersion } from "./version.ts";

export interface RunOptions {
  readonly config: NodeConfig;
  /** Reads the configuration again; undefined when it did not come from a file. */
  readonly load: (() => LoadedConfig) | undefined;
  readonly warnings: readonly string[];
}

/** Resolves when the node has ended, with the process's exit code. */
export async function runNode({ config, load, warnings }: RunOptions): Promise<number> {
  const logger = createLogger(config.log, config.node.name);
  for (const warning of warnings) logger.warn({}, warning);
  // Loaded late, so that `polarity --help` does not pay for the engine.
  const { createNode } = await import("../node/node.ts");
  const node = createNode(config, { logger, clock: systemClock, version: packageVersion() });
  const ended = Promise.withResolvers<number>();
  const signals = new SignalHandlers(node, config, logger, load, ended.resolve);
  signals.install();
  let admin: Admin | undefined;
  try {
    // Before the node, so that whoever watches its health sees it start.
    admin = await startNodeAdmin(config, node, signals, logger);
    await node.start();
    const addresses = { ...node.addresses, admin: admin?.address };
    if (process.stderr.isTTY) process.stderr.write(startReport(config, addresses));
    announceReady(addresses);
    return await ended.promise;
  } finally {
    signals.remove();
    await node.stop();
    await admin?.close();
  }
}

async function startNodeAdmin(
  config: NodeConfig,
  node: PolarityNode,
  signals: SignalHandlers,
  logger: Logger,
): Promise<Admin | undefined> {
  if (config.admin === undefined) return undefined;
  const { startAdmin } = await import("../admin/admin.ts");
  return startAdmin({
    address: config.admin.address,
    token: config.admin.token?.text,
    logger,
    source: {
      view: () => node.view(),
      readiness: () => node.readiness(),
      register: (service) => node.register(service),
      unregister: (name) => node.unregister(name),
      drain: () => signals.stop("the admin API"),
      reload: () => signals.reload(),
    },
  });
}

/** Repeats of a terminal's Ctrl-C that a process in between forwards as well. */
const ECHO_MS = 100;
/** How much longer than its own deadline a drain may take before it counts as stuck. */
const DRAIN_GRACE_MS = 2_000;

class SignalHandlers {
  readonly #node: PolarityNode;
  readonly #config: NodeConfig;
  readonly #logger: Logger;
  readonly #load: (() => LoadedConfig) | undefined;
  readonly #end: (code: number) => void;
  readonly #handlers: readonly (readonly [NodeJS.Signals, () => void])[];
  #stoppingSince: number | undefined;
  #reloading = false;

  constructor(
    node: PolarityNode,
    config: NodeConfig,
    logger: Logger,
    load: (() => LoadedConfig) | undefined,
    end: (code: number) => void,
  ) {
    this.#node = node;
    this.#config = config;
    this.#logger = logger;
    this.#load = load;
    this.#end = end;
    this.#handlers = [
      ["SIGTERM", () => this.stop("SIGTERM")],
      ["SIGINT", () => this.stop("SIGINT")],
      ["SIGHUP", () => void this.reload().catch(() => {})],
      ["SIGUSR2", () => process.stdout.write(`${JSON.stringify(this.#node.view())}\n`)],
    ];
  }

  install(): void {
    for (const [signal, handler] of this.#handlers) process.on(signal, handler);
  }

  remove(): void {
    for (const [signal, handler] of this.#handlers) process.off(signal, handler);
  }

  /** Drains, then ends the process; a second time ends it at once. */
  stop(signal: string): void {
    const now = systemClock.now();
    if (this.#stoppingSince === undefined) {
      this.#stoppingSince = now;
      this.#logger.info(
        { signal },
        `draining for at most ${this.#config.node.drainTimeoutMs} ms; once more to stop now`,
      );
      void this.#drain();
    } else if (signal !== "SIGINT" || now - this.#stoppingSince > ECHO_MS) {
      this.#logger.warn({ signal }, "stopped by a second signal, work under way is cut off");
      process.exit(EXIT.forced);
    }
  }

  async #drain(): Promise<void> {
    // The node keeps the deadline itself; this one only stops a stuck drain from keeping the process.
    const late = delay(this.#config.node.drainTimeoutMs + DRAIN_GRACE_MS, { cutOff: 1 }, { ref: false });
    try {
      const { cutOff } = await Promise.race([this.#node.drain(), late]);
      if (cutOff > 0) this.#logger.warn({ cutOff }, "stopped with work cut off");
      this.#end(cutOff > 0 ? EXIT.cutOff : EXIT.done);
    } catch (error) {
      this.#logger.error({ error }, `draining failed: ${messageOf(error)}`);
      this.#end(EXIT.cutOff);
    }
  }

  /** Reads the configuration again. Logs what is wrong with it, and throws it. */
  async reload(): Promise<void> {
    if (this.#load === undefined) {
      const message = "this node was started without a configuration file, so there is none to reload";
      this.#logger.warn({}, message);
      throw new PolarityError("CONFIG_INVALID", message);
    }
    if (this.#reloading || this.#stoppingSince !== undefined) {
      throw new PolarityError("NODE_STOPPED", this.#reloading ? "a reload is under way" : "the node is stopping");
    }
    this.#reloading = true;
    try {
      const { config, file, warnings } = this.#load();
      for (const warning of warnings) this.#logger.warn({}, warning);
      await this.#node.reload(config);
      this.#logger.info({ file }, "configuration reloaded");
    } catch (error) {
      for (const line of messageOf(error).split("\n")) this.#logger.error({}, line);
      this.#logger.error({}, "the configuration was not reloaded; the old one stays");
      throw error;
    } finally {
      this.#reloading = false;
    }
  }
}
