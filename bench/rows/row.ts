/** A row: one question, answered by a sheet of figures. */
import type { Bench } from "../bench.ts";
import type { Carriage, Deployment } from "../contenders/contender.ts";
import { runFixedRate } from "../measure/fixed-rate.ts";
import type { Sheet } from "../sheet.ts";
import type { ToolName } from "../tools.ts";

export interface Row {
  readonly name: string;
  readonly title: string;
  /** Beyond nginx, which every row needs. */
  readonly needs: readonly ToolName[];
  /** It asks for what only Polarity has, such as links. */
  readonly polarityOnly: boolean;
  run(bench: Bench, sheet: Sheet): Promise<void>;
}

export const CARRIAGES: readonly Carriage[] = ["http", "tcp"];

/** What Polarity is held against when it carries this. */
export const REFERENCE: Readonly<Record<Carriage, string>> = { http: "haproxy-http", tcp: "haproxy-tcp" };

/** Starts and warms every contender that carries this, and stops them whatever happens. */
export async function withDeployments(
  bench: Bench,
  carriage: Carriage,
  work: (deployments: readonly Deployment[]) => Promise<void>,
): Promise<void> {
  const deployments: Deployment[] = [];
  try {
    for (const contender of bench.contenders) {
      if (contender.carries.includes(carriage)) deployments.push(await contender.start(bench));
    }
    for (const deployment of deployments) await warmUp(bench, deployment.port(carriage));
    await work(deployments);
  } finally {
    await Promise.all(deployments.map(async (deployment) => await deployment.stop()));
  }
}

/** Enough requests for a just-in-time compiler to have seen the hot path; what starts cold would look slow, or make "alone" slow. */
export async function warmUp(bench: Bench, port: number): Promise<void> {
  await runFixedRate(bench, { port, rate: 4_000, connections: 64, warmupSeconds: 0, seconds: 8 });
}

/** Rounds over all deployments, each round starting with another, so that drift and order favour nobody. */
export async function alternate(
  bench: Bench,
  deployments: readonly Deployment[],
  measure: (deployment: Deployment) => Promise<void>,
): Promise<void> {
  for (let round = 0; round < bench.options.rounds; round++) await inTurn(deployments, round, measure);
}

/** One of these rounds. */
export async function inTurn(
  deployments: readonly Deployment[],
  round: number,
  measure: (deployment: Deployment) => Promise<void>,
): Promise<void> {
  for (let turn = 0; turn < deployments.length; turn++) {
    const deployment = deployments[(round + turn) % deployments.length];
    if (deployment !== undefined) await measure(deployment);
  }
}
