/** Names as a node without settings finds them out. */
import { NameResolver, type NameResolverOptions } from "../../src/socket/name-resolver.ts";

export const NAMES: NameResolverOptions = {
  servers: [],
  refreshMs: 30_000,
  timeoutMs: 2_000,
  random: Math.random,
  now: () => performance.now(),
};

export const systemNames = new NameResolver(NAMES);
