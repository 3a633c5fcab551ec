/** Real nodes in this process, on ports that the system chooses; all of them stop when the test ends. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import type { Logger } from "../../src/base/clock.ts";
import { silentLogger, systemClock } from "../../src/base/clock.ts";
import type { ConfigInput } from "../../src/config/node-config.ts";
import { resolveConfig } from "../../src/config/resolution.ts";
import type { NodeConfig } from "../../src/config/node-config.ts";
import { createNode, type PolarityNode } from "../../src/node/node.ts";
import { until } from "./patience.ts";

export type RawConfig = ConfigInput;

let nodesCreated = 0;

export function configOf(raw: RawConfig): NodeConfig {
  const resolution = resolveConfig(raw, { folder: ".", defaultName: `node-${++nodesCreated}` });
  if (resolution.kind === "invalid") assert.fail(JSON.stringify(resolution.problems));
  return resolution.config;
}

export async function startNode(
  context: TestContext,
  raw: RawConfig,
  logger: Logger = silentLogger,
): Promise<PolarityNode> {
  const node = createNode(configOf(raw), { logger, clock: systemClock, version: "test" });
  context.after(() => node.stop());
  await node.start();
  return node;
}

type ListenerInput = NonNullable<NonNullable<RawConfig["listeners"]>[number]>;

export interface Router {
  readonly node: PolarityNode;
  /** Where connectors join. */
  readonly link: string;
  /** The ports of its listeners, in order. */
  readonly ports: readonly number[];
  /** The first of them. */
  readonly port: number;
}

/** A router with one link listener; by default one HTTP listener that resolves services by name. */
export async function startRouter(
  context: TestContext,
  listeners: readonly ListenerInput[] = [{ url: "http://127.0.0.1:0" }],
  rest: RawConfig = {},
): Promise<Router> {
  const node = await startNode(context, {
    links: { accept: [{ url: "tcp://127.0.0.1:0" }] },
    listeners: [...listeners],
    node: { name: "edge" },
    ...rest,
  });
  const ports = node.addresses.listeners.map(portOf);
  return { node, link: `tcp://127.0.0.1:${portOf(node.addresses.links[0] ?? "")}`, ports, port: ports[0] ?? 0 };
}

export type ServicesInput = NonNullable<RawConfig["services"]>;

export interface ConnectorOptions {
  readonly name?: string;
  readonly links?: number;
  readonly cost?: number;
  readonly token?: string;
  readonly rest?: RawConfig;
}

/** A connector that keeps links to `link` and offers `services`. Does not wait until it has joined. */
export function startConnector(
  context: TestContext,
  link: string,
  services: ServicesInput,
  { name, links = 1, cost = 0, token, rest = {} }: ConnectorOptions = {},
): Promise<PolarityNode> {
  return startNode(context, {
    node: { name: name ?? `connector-${++nodesCreated}` },
    links: { dial: [{ url: link, links, cost, ...(token === undefined ? {} : { token }) }] },
    services,
    ...rest,
  });
}

/** Resolves when `count` offers of the service can be used at the node. */
export async function offered(node: PolarityNode, service: string, count = 1): Promise<void> {
  await until(`${count} usable offers of "${service}"`, () => {
    const offers = node.view().services.find(({ name }) => name === service)?.offers ?? [];
    return offers.filter(({ usable }) => usable).length === count;
  });
}

/** A router, a connector and the service `web` at `target` between them, ready for requests. */
export async function startPair(
  context: TestContext,
  target: string,
  listener: Partial<ListenerInput> = {},
  service: Partial<ServicesInput[string]> = {},
): Promise<Router & { readonly connector: PolarityNode }> {
  const scheme = /^(https?|h2c):/.test(target) || service.protocol === "http/1.1" ? "http" : "tcp";
  const router = await startRouter(context, [{ url: `${scheme}://127.0.0.1:0`, service: "web", ...listener }]);
  const connector = await startConnector(context, router.link, { web: { target, ...service } }, { name: "shed" });
  await offered(router.node, "web");
  return { ...router, connector };
}

export function portOf(url: string): number {
  return Number(url.slice(url.lastIndexOf(":") + 1));
}
