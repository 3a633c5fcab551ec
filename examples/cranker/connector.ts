/**
 * A connector that knows nothing of Polarity and speaks cranker, as those in production do.
 *
 *   node examples/cranker/connector.ts ws://127.0.0.1:8000 web http://127.0.0.1:3000 3.0 shed
 *
 * It is the one that the tests use. SIGTERM deregisters it: what is under way is finished.
 */
import { setTimeout as delay } from "node:timers/promises";

import { CrankerPeer } from "../../test/support/cranker-connector.ts";

const [router, route, target, version, component] = process.argv.slice(2);
if (router === undefined || route === undefined || target === undefined) {
  console.error("usage: connector.ts ROUTER ROUTE TARGET [1.0|3.0] [NAME]");
  process.exit(64);
}
const peer = new CrankerPeer({
  router,
  route,
  target,
  version: version === "1.0" ? "1.0" : "3.0",
  ...(component === undefined ? {} : { component }),
});

process.on("SIGTERM", () => void leave());
// Whoever started it is gone.
process.on("disconnect", () => process.exit(2));

async function leave(): Promise<void> {
  console.log(await peer.deregister());
  while (peer.sockets.size > 0) await delay(10);
  process.exit(0);
}
