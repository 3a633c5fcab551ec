/** What every row works with. */
import type { App } from "./app.ts";
import type { Contender } from "./contenders/contender.ts";
import type { BenchOptions } from "./options.ts";
import type { Processes } from "./processes.ts";
import type { Tools } from "./tools.ts";

export interface Bench {
  readonly options: BenchOptions;
  readonly tools: Tools;
  readonly processes: Processes;
  /** Where configs and large files go. */
  readonly folder: string;
  readonly app: App;
  readonly cores: number;
  /** Those that were asked for and can run here, in a fixed order. */
  readonly contenders: readonly Contender[];
  /** Progress, for a person who waits. */
  log(text: string): void;
}
