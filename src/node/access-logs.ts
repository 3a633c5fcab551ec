/** The access logs of a node: listeners that name the same file write to the same one. */
import type { Logger } from "../base/clock.ts";
import type { AccessLogConfig, ListenerConfig, NodeConfig } from "../config/node-config.ts";
import type { AccessLog } from "../listen/access-log.ts";
import { AccessLogFile } from "./access-log-file.ts";

export class AccessLogs {
  readonly #logger: Logger;
  readonly #files = new Map<string, AccessLogFile>();
  #byDefault: AccessLogConfig | undefined;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /**
   * Opens what the configuration wants and begins anew what is open already, for it may have been moved away. Throws
   * FILE_UNWRITABLE; then everything that was open stays so.
   */
  async open(config: NodeConfig): Promise<void> {
    this.#byDefault = config.accessLog;
    for (const { path, bufferBytes } of wanted(config)) {
      const key = keyOf(path);
      const file = this.#files.get(key);
      if (file !== undefined) await file.reopen();
      else this.#files.set(key, await AccessLogFile.open({ path, bufferBytes, logger: this.#logger }));
    }
  }

  /** Closes what the configuration wants no more. */
  closeOthers(config: NodeConfig): void {
    const keys = new Set(wanted(config).map(({ path }) => keyOf(path)));
    for (const [key, file] of this.#files) {
      if (keys.has(key)) continue;
      this.#files.delete(key);
      void file.close();
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#files.values()].map((file) => file.close()));
    this.#files.clear();
  }

  /** The log of a listener; undefined when it keeps none. */
  of(listener: ListenerConfig): AccessLog | undefined {
    const config = listener.accessLog ?? this.#byDefault;
    if (config === undefined || !config.enabled) return undefined;
    const file = this.#files.get(keyOf(config.path));
    // Web servers' format has no words for raw bytes, and a file of two formats no reader.
    if (file === undefined || (config.format === "combined" && listener.address.scheme !== "http")) return undefined;
    return { format: config.format, query: config.query, write: (line) => file.write(line) };
  }
}

function wanted({ accessLog, listeners }: NodeConfig): AccessLogConfig[] {
  return listeners.flatMap((listener) => listener.accessLog ?? accessLog ?? []).filter(({ enabled }) => enabled);
}

function keyOf(path: string | undefined): string {
  return path ?? "";
}
