/** Routers that pass on to one another what they are offered, as nodes in this process. */
import type { TestContext } from "node:test";
import type { PolarityNode } from "../../src/node/node.ts";
import { portOf, type RawConfig, startNode } from "./cluster.ts";
import { until } from "./patience.ts";

export const ACCEPT = [{ url: "tcp://127.0.0.1:0" }];
type Dial = NonNullable<NonNullable<RawConfig["links"]>["dial"]>[number];

export interface Place {
  readonly node: PolarityNode;
  readonly link: string;
  readonly config: RawConfig;
}

/** A router that dials `dial` and passes on to them what it is offered. */
export async function startPlace(
  context: TestContext,
  name: string,
  dial: readonly (Place | Dial)[] = [],
  rest: RawConfig = {},
): Promise<Place> {
  const config: RawConfig = {
    node: { name },
    links: { accept: ACCEPT, dial: dial.map((to) => ("node" in to ? { url: to.link, relay: true } : to)) },
    ...rest,
  };
  const node = await startNode(context, config);
  return { node, link: node.addresses.links[0] ?? "", config };
}

/** Listeners at which clients reach `service`. */
export function listening(service: string, url = "tcp://127.0.0.1:0", waitForOffer = "5s"): RawConfig {
  return { listeners: [{ url, service, waitForOffer }] };
}

export function port({ node }: Place): number {
  return portOf(node.addresses.listeners[0] ?? "");
}

/** The names on each way to a service, as a node sees them. */
export function waysTo({ node }: Place, service: string): string[] {
  const offers = node.view().services.find(({ name }) => name === service)?.offers ?? [];
  return offers.filter(({ usable, relay }) => usable && !relay).map(({ path }) => path.join(" "));
}

export async function waysAre(place: Place, service: string, expected: readonly string[]): Promise<void> {
  await until(`ways to "${service}" at ${place.node.view().node.name}: ${expected.join(", ")}`, () => {
    return JSON.stringify(waysTo(place, service).sort()) === JSON.stringify([...expected].sort());
  });
}

/** `edge ◀ middle ◀ inner ◀ shed`: each dials the one before; clients come in at the edge. */
export async function startChain(
  context: TestContext,
  target: string,
  listener: RawConfig,
  protocol?: "http/1.1" | "tcp",
) {
  const edge = await startPlace(context, "edge", [], listener);
  const middle = await startPlace(context, "middle", [edge]);
  const inner = await startPlace(context, "inner", [middle]);
  const service = { target, ...(protocol === undefined ? {} : { protocol }) };
  const shed = await startNode(context, {
    node: { name: "shed" },
    links: { dial: [{ url: inner.link, cost: 3 }] },
    services: { app: service },
  });
  await waysAre(edge, "app", ["middle inner shed"]);
  return { edge, middle, inner, shed };
}
