/** Runs a mixed load: connections of a plan, so many at a time, until the time is up. */
import { type LoadCount, runConnection } from "./load-clients.ts";
import { planConnection, type WayChoice } from "./load-plan.ts";
import type { LoadWorld } from "./load-world.ts";
import { until } from "./patience.ts";

export interface LoadOptions {
  readonly ways: readonly WayChoice[];
  readonly seed: number;
  readonly forMs: number;
  /** Connections side by side. */
  readonly clients: number;
  /** How long a turn may take, whoever is slow in it. */
  readonly withinMs: number;
}

export interface LoadReport extends LoadCount {
  readonly connections: number;
  readonly failures: readonly Error[];
}

/** Resolves when every app answers by every way. */
export async function worldReady(world: LoadWorld): Promise<void> {
  for (const { name: way, clients, apps } of world.ways) {
    for (const app of clients.includes("raw") ? [...apps, "raw" as const] : apps) {
      const client = app === "raw" ? "raw" : "h1";
      const quick = { up: 0, upForm: "length", upPace: "fast", appPace: "fast", readerPace: "fast" } as const;
      const exchange = { ...quick, id: 0, down: 10, downForm: "length", answer: "after", abortAt: undefined } as const;
      const plan = { seed: 0, number: 0, client, way, app, turns: [[exchange]] } as const;
      let why: unknown;
      await until(`an answer by ${way} of ${app}`, () =>
        runConnection(plan, world.place(plan), 2_000, { whole: 0, aborted: 0 }).then(
          () => true,
          (error: unknown) => ((why = error), false),
        ),
      ).catch((error: unknown) => {
        throw new Error(`${String(error)}: ${String(why)}`);
      });
    }
  }
}

export async function runLoad(
  world: LoadWorld,
  { ways, seed, forMs, clients, withinMs }: LoadOptions,
): Promise<LoadReport> {
  const count: LoadCount = { whole: 0, aborted: 0 };
  const failures: Error[] = [];
  const end = performance.now() + forMs;
  let connections = 0;
  const client = async (): Promise<void> => {
    while (performance.now() < end && failures.length < 20) {
      const plan = planConnection(seed, connections++, ways);
      await runConnection(plan, world.place(plan), withinMs, count).catch((error: Error) => failures.push(error));
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  return { ...count, connections, failures };
}
