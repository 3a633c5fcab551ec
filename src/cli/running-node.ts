/** A node together with its admin API, as one process runs them: started, reloaded, drained and stopped as one. */
import type { Admin } from "../admin/admin.ts";
import { KeptServices } from "../admin/kept-services.ts";
import type { ServiceRequest } from "../admin/service-request.ts";
import type { AdminSource, Readiness } from "../admin/source.ts";
import type { Logger } from "../base/clock.ts";
import { systemClock } from "../base/clock.ts";
import { messageOf, PolarityError } from "../base/errors.ts";
import { filesOf } from "../config/config-files.ts";
import type { LoadedConfig } from "../config/file.ts";
import type { ServiceConfig } from "../config/node-config.ts";
import { configKey, shapeKey } from "../node/config-key.ts";
import type { NodeObserver } from "../node/node-observer.ts";
import type { PolarityNode } from "../node/node.ts";
import { createNode } from "../node/node.ts";
import { FileWatch } from "./file-watch.ts";
import type { AnalysisView, NodeView } from "../node/view.ts";
import type { BoundAddresses } from "./parent.ts";
import { packageVersion } from "../sdk/version.ts";

export interface RunningNodeOptions {
  readonly loaded: LoadedConfig;
  readonly logger: Logger;
  /** Reads the configuration again, and the files that it names. */
  readonly load: () => LoadedConfig;
  readonly observer?: NodeObserver | undefined;
  /** The admin API was asked to drain this process. */
  readonly drainAsked: () => void;
}

export class RunningNode implements AdminSource {
  readonly #node: PolarityNode;
  readonly #options: RunningNodeOptions;
  #admin: Admin | undefined;
  #loaded: LoadedConfig;
  readonly #files: FileWatch;
  #reloading = false;
  readonly #kept: KeptServices | undefined;

  constructor(options: RunningNodeOptions) {
    const { loaded, logger, observer } = options;
    const { config } = loaded;
    this.#options = options;
    this.#loaded = loaded;
    this.#files = new FileWatch((files) => this.#reread(files));
    this.#node = createNode(config, { logger, clock: systemClock, version: packageVersion(), observer });
    if (config.state !== undefined) this.#kept = new KeptServices(config.state.folder, logger);
  }

  /** When something cannot be bound, all of it ends, and this rejects. */
  async start(): Promise<void> {
    const { admin } = this.#loaded.config;
    try {
      if (admin !== undefined) {
        const { logger } = this.#options;
        // Loaded late: a node without an admin API does without its libraries too.
        const { startAdmin } = await import("../admin/admin.ts");
        // Before the node, so that whoever watches its health sees it start.
        this.#admin = await startAdmin({
          address: admin.address,
          socketMode: admin.socketMode,
          token: () => this.#loaded.config.admin?.token?.text,
          source: this,
          logger,
        });
      }
      await this.#node.start();
      this.#registerKept();
      this.#files.watch(filesOf(this.#loaded.config));
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  #registerKept(): void {
    for (const { config } of this.#kept?.load() ?? []) {
      try {
        this.#node.register(config);
      } catch (error) {
        this.#options.logger.warn({ service: config.name }, `not registered again: ${messageOf(error)}`);
      }
    }
  }

  get addresses(): BoundAddresses {
    return { ...this.#node.addresses, admin: this.#admin?.address };
  }

  /** The admin API stays to the end, so that whoever asks learns that the node drains. */
  finish(): Promise<{ readonly cutOff: number }> {
    this.#files.stop();
    return this.#node.drain();
  }

  get drainMsMax(): number {
    return this.#node.drainMsMax;
  }

  async stop(): Promise<void> {
    this.#files.stop();
    await this.#node.stop();
    await this.#admin?.close();
  }

  view(): NodeView {
    return this.#node.view();
  }

  analyses(): readonly AnalysisView[] {
    return this.#node.analyses();
  }

  readiness(): Readiness {
    return this.#node.readiness();
  }

  register(service: ServiceConfig, keep: ServiceRequest | undefined): void {
    if (keep !== undefined && this.#kept === undefined) {
      const remedy = "set state.folder in its configuration, or start it with --state-folder";
      throw new PolarityError("CONFIG_INVALID", `this node keeps nothing over restarts: ${remedy}`);
    }
    const undo = this.#kept?.keep(service.name, keep);
    try {
      this.#node.register(service);
    } catch (error) {
      undo?.();
      throw error;
    }
  }

  unregister(name: string): void {
    // Before, so that one whose end cannot be written is still there to be ended again.
    const undo = this.#kept?.keep(name, undefined);
    try {
      this.#node.unregister(name);
    } catch (error) {
      undo?.();
      throw error;
    }
  }

  setCost(link: string, cost: number): void {
    this.#node.setCost(link, cost);
  }

  drain(): void {
    this.#options.drainAsked();
  }

  async reload(): Promise<void> {
    const { load, logger } = this.#options;
    if (this.#reloading) throw new PolarityError("CONFIG_INVALID", "the configuration is being reloaded already");
    this.#reloading = true;
    try {
      const loaded = load();
      for (const warning of loaded.warnings) logger.warn({}, warning);
      await this.#take(loaded);
      logger.info({ file: loaded.file }, `configuration reloaded from ${loaded.file}`);
    } finally {
      this.#reloading = false;
    }
  }

  /** These files changed. False: not now. */
  async #reread(files: readonly string[]): Promise<boolean> {
    if (this.#reloading) return false;
    this.#reloading = true;
    const { logger } = this.#options;
    const names = files.join(", ");
    try {
      const loaded = this.#loaded.reread();
      // Written anew as it was, or read before it was watched.
      if (configKey(loaded.config) === configKey(this.#loaded.config)) return true;
      await this.#take(loaded);
      logger.info({ files }, `changed, and read again: ${names}`);
    } catch (error) {
      const fields = { files, code: error instanceof PolarityError ? error.code : "INTERNAL" };
      for (const line of messageOf(error).split("\n")) logger.error(fields, line);
      logger.error(fields, `changed and cannot be used, what was read before stays: ${names}`);
    } finally {
      this.#reloading = false;
    }
    return true;
  }

  async #take(loaded: LoadedConfig): Promise<void> {
    await this.#node.reload(loaded.config);
    const { admin } = this.#loaded.config;
    // Where the admin API listens, and whether it asks for a token, waits for the next start; the token itself does not.
    const isSame = shapeKey(admin) === shapeKey(loaded.config.admin);
    this.#loaded = isSame ? loaded : { ...loaded, config: { ...loaded.config, admin } };
    this.#files.watch(filesOf(this.#loaded.config));
  }
}
