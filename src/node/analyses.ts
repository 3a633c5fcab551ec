/** The analyzers of a node: one for each place that asks for one, kept while the configuration has it, saved in between. */
import { uptime } from "node:os";
import { Analysis, type AnalysisPlace } from "../analyze/analysis.ts";
import type { AnalyzerFactory } from "../analyze/analyzer.ts";
import { AwakeClock } from "../analyze/awake-clock.ts";
import { BUILT_IN } from "../analyze/built-in.ts";
import { guardForeign } from "../analyze/foreign-analyzer.ts";
import type { SavedAnalysis } from "../analyze/recovery-format.ts";
import type { Clock, Logger } from "../base/clock.ts";
import { messageOf, PolarityError } from "../base/errors.ts";
import type { AnalyzeConfig } from "../config/analyze-schema.ts";
import type { ListenerConfig, NodeConfig, ServiceConfig } from "../config/node-config.ts";
import { loadAnalyzer } from "./analyzer-module.ts";
import { configKey } from "./config-key.ts";
import { type Recovered, RecoveryFile } from "./recovery-file.ts";
import type { AnalysisView } from "./view.ts";

/** Half of what may be lost, so that a slow disk has the other half. */
const SAVE_EVERY_MS = 500;

interface KeptAnalysis {
  readonly analysis: Analysis;
  readonly key: string;
}

export class Analyses {
  readonly #logger: Logger;
  readonly #clock: AwakeClock;
  readonly #file: RecoveryFile | undefined;
  /** By the name of their place. */
  readonly #kept = new Map<string, KeptAnalysis>();
  readonly #modules = new Map<string, AnalyzerFactory>();
  #recovered: Recovered | undefined;
  #recoveredAt = 0;
  #saving: Promise<void> = Promise.resolve();
  #savingNow = false;
  #savedEvents = 0;
  #nextTickAt: number;

  constructor(logger: Logger, clock: Clock, recoveryPath: string | undefined) {
    this.#logger = logger;
    this.#clock = new AwakeClock(clock, () => uptime() * 1000);
    this.#nextTickAt = this.#clock.now() + SAVE_EVERY_MS;
    this.#file = recoveryPath === undefined ? undefined : new RecoveryFile(recoveryPath, logger, Date.now);
  }

  /** Before anything is analyzed. */
  async recover(): Promise<void> {
    this.#recovered = await this.#file?.load();
    this.#recoveredAt = this.#clock.now();
  }

  /** Loads the modules that the configuration names. Throws CONFIG_INVALID. */
  async prepare({ listeners, services }: NodeConfig): Promise<void> {
    for (const { analyze } of [...listeners, ...services]) {
      if (analyze?.module === undefined) continue;
      const key = configKey(analyze);
      if (!this.#modules.has(key)) this.#modules.set(key, await loadAnalyzer(analyze));
    }
  }

  ofListener(listener: ListenerConfig): Analysis | undefined {
    return this.#at(listenerPlace(listener), listener.service ?? "", listener.analyze);
  }

  ofService(service: ServiceConfig): Analysis | undefined {
    return this.#at(servicePlace(service), service.name, service.analyze);
  }

  /** Forgets those whose place the configuration no longer has; connections under way keep theirs. */
  retain({ listeners, services }: NodeConfig): void {
    const places = new Set([...listeners.map(listenerPlace), ...services.map(servicePlace)]);
    for (const name of this.#kept.keys()) if (!places.has(name)) this.#kept.delete(name);
  }

  views(): AnalysisView[] {
    this.#clock.tick();
    return [...this.#kept.values()].map(({ analysis }) => {
      const { place, connectionsOpen, connectionsTotal, failures } = analysis;
      const { name, service, analyzer } = place;
      const statistics = analysis.statistics();
      return { place: name, service, analyzer, connectionsOpen, connectionsTotal, failuresTotal: failures, statistics };
    });
  }

  tick(): void {
    if (this.#kept.size === 0 || this.#clock.now() < this.#nextTickAt) return;
    this.#clock.tick();
    this.#nextTickAt = this.#clock.now() + SAVE_EVERY_MS;
    if (!this.#savingNow) this.#saving = this.#saving.then(() => this.#save());
  }

  /** Resolves when everything that was counted is on the disk. */
  async close(): Promise<void> {
    await this.#saving;
    await this.#save();
  }

  #at(name: string, service: string, analyze: AnalyzeConfig | undefined): Analysis | undefined {
    if (analyze === undefined) return undefined;
    const key = configKey(analyze);
    const kept = this.#kept.get(name);
    if (kept?.key === key) return kept.analysis;
    const analysis = this.#create({ name, service, analyzer: analyze.name }, key);
    this.#kept.set(name, { analysis, key });
    return analysis;
  }

  #create(place: AnalysisPlace, key: string): Analysis {
    const create = BUILT_IN.get(place.analyzer) ?? this.#modules.get(key);
    if (create === undefined) throw new PolarityError("CONFIG_INVALID", `no analyzer "${place.analyzer}" was loaded`);
    const clock = this.#clock;
    const options = {
      place,
      create: BUILT_IN.has(place.analyzer) ? create : guardForeign(create, clock),
      clock,
      failed: (error: unknown): void => {
        const { name, analyzer } = place;
        const message = `the analyzer ${analyzer} of ${name} failed: ${messageOf(error)}; the connection goes on without it, further failures are only counted`;
        this.#logger.error({ analyzer, place: name, error }, message);
      },
    };
    const saved = this.#takeSaved(place);
    if (saved === undefined) return new Analysis(options);
    const analysis = new Analysis(options);
    try {
      analysis.restore(saved.state, this.#recovered!.ageMs + this.#clock.now() - this.#recoveredAt);
      return analysis;
    } catch (error) {
      const reason = `what it says of ${place.name} cannot be understood: ${messageOf(error)}`;
      this.#saving = this.#saving.then(() => this.#file?.setAside(reason));
      return new Analysis(options);
    }
  }

  #takeSaved({ name, analyzer }: AnalysisPlace): SavedAnalysis | undefined {
    const saved = this.#recovered?.analyses[name];
    return saved?.analyzer === analyzer && !this.#kept.has(name) ? saved : undefined;
  }

  async #save(): Promise<void> {
    const analyses = [...this.#kept.values()].map(({ analysis }) => analysis);
    const events = analyses.reduce((sum, analysis) => sum + analysis.events, 0);
    if (this.#file === undefined || events === this.#savedEvents) return;
    this.#savingNow = true;
    const saved = analyses.map(
      (analysis) => [analysis.place.name, { analyzer: analysis.place.analyzer, state: analysis.save() }] as const,
    );
    if (await this.#file.save(Object.fromEntries(saved))) this.#savedEvents = events;
    this.#savingNow = false;
  }
}

function listenerPlace({ address }: ListenerConfig): string {
  return `listener ${address.url}`;
}

function servicePlace({ name }: ServiceConfig): string {
  return `service ${name}`;
}
