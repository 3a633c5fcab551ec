/** Programs that use the package: nodes and dialers by its entry, closed when the test ends. */
import type { TestContext } from "node:test";
import { createDialer, createNode, type Dialer, type DialerOptions, type ProgramNode } from "../../src/index.ts";
import type { ConfigInput, NodeEvents } from "../../src/index.ts";
import { until } from "./patience.ts";

export async function startProgramNode(context: TestContext, config: ConfigInput): Promise<ProgramNode> {
  const node = createNode(config);
  context.after(() => node.stop());
  await node.start();
  return node;
}

/** A router that anybody on this machine may join. */
export async function startLinkRouter(
  context: TestContext,
  rest: ConfigInput = {},
  name = "edge",
): Promise<{ readonly node: ProgramNode; readonly url: string }> {
  const node = await startProgramNode(context, {
    node: { name },
    links: { accept: [{ url: "tcp://127.0.0.1:0" }] },
    ...rest,
  });
  return { node, url: node.addresses.links[0] ?? "" };
}

/** A machine that is linked to routers, ready to serve. */
export async function startMachine(context: TestContext, name: string, ...urls: string[]): Promise<ProgramNode> {
  const node = createNode({ node: { name }, links: { dial: urls.map((url) => ({ url })) } });
  context.after(() => node.stop());
  await node.start();
  await until(`links of ${name}`, () => node.view().links.filter(({ state }) => state === "up").length === urls.length);
  return node;
}

export function startDialer(context: TestContext, options: DialerOptions): Dialer {
  const dialer = createDialer(options);
  context.after(() => dialer.close());
  return dialer;
}

/** Resolves with what the next event of that name carries. */
export async function told<Name extends keyof NodeEvents>(node: ProgramNode, name: Name): Promise<NodeEvents[Name][0]> {
  // Not by `events.once`, which rejects when an `error` comes first.
  const { promise, resolve } = Promise.withResolvers<NodeEvents[Name][0]>();
  node.once(name, (...carried) => resolve(carried[0]));
  return await promise;
}

/** Resolves with what the promise is rejected with. */
export async function failure(promise: Promise<unknown>): Promise<Error & { readonly code?: string }> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error("it succeeded");
}
