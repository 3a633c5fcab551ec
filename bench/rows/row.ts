/** A row: one question, answered by a sheet of figures. */
import type { Bench } from "../bench.ts";
import type { Carriage, Deployment } from "../contenders/contender.ts";
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

/** Starts every contender that carries this, and stops them whatever happens. */
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
    await work(deployments);
  } finally {
    await Promise.all(deployments.map(async (deployment) => await deployment.stop()));
  }
}

/** Rounds over all deployments, each round starting with another, so that drift and order favour nobody. */
export async function alternate(
  bench: Bench,
  deployments: readonly Deployment[],
  measure: (deployment: Deployment) => Promise<void>,
): Promise<void> {
  for (let round = 0; round < bench.options.rounds; round++) {
    for (let turn = 0; turn < deployments.length; turn++) {
      const deployment = deployments[(round + turn) % deployments.length];
      if (deployment !== undefined) await measure(deployment);
    }
  }
}
