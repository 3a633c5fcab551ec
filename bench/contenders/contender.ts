/**
 * What is compared: always two hops between a client and the app, started as separate processes.
 *
 * An entry is a port on 127.0.0.1 at the first hop. "page" leads to the app, "sink" to the server that swallows uploads.
 */
import type { Bench } from "../bench.ts";
import type { Child } from "../processes.ts";

export const CONTENDER_NAMES = ["polarity", "haproxy-http", "haproxy-tcp", "node-http"] as const;
export type ContenderName = (typeof CONTENDER_NAMES)[number];

export type Carriage = "http" | "tcp";
export type Entry = "http" | "tcp" | "http-sink" | "tcp-sink";

export interface Contender {
  readonly name: ContenderName;
  readonly carries: readonly Carriage[];
  /** Resolves when a request came back through every entry. */
  start(bench: Bench): Promise<Deployment>;
}

export interface Deployment {
  readonly name: ContenderName;
  readonly front: Child;
  readonly back: readonly Child[];
  port(entry: Entry): number;
  stop(): Promise<void>;
}

export function hopsOf(deployment: Deployment): Child[] {
  return [deployment.front, ...deployment.back];
}

export function portOf(ports: ReadonlyMap<Entry, number>, entry: Entry, name: string): number {
  const port = ports.get(entry);
  if (port === undefined) throw new Error(`${name} has no ${entry} entry`);
  return port;
}

export async function stopChildren(children: readonly Child[]): Promise<void> {
  await Promise.all(children.map(async (child) => await child.stop()));
}
