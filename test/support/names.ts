/** Names as a node without settings finds them out. */
import { NameResolver } from "../../src/socket/name-resolver.ts";

export const systemNames = new NameResolver({
  servers: [],
  refreshMs: 30_000,
  timeoutMs: 2_000,
  random: Math.random,
  now: () => performance.now(),
});
