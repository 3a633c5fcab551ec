/** Peers that offer without end: what is too much is refused and told, and the node and its other peers go on. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogFields, Logger } from "../../src/base/clock.ts";
import { silentLogger } from "../../src/base/clock.ts";
import { PolarityError } from "../../src/base/errors.ts";
import type { Announcement } from "../../src/registry/announcement.ts";
import type { NodeView } from "../../src/node/view.ts";
import { startHttpApp } from "../support/apps.ts";
import { offered, portOf, startConnector, startNode } from "../support/cluster.ts";
import { ask } from "../support/http-client.ts";
import { joinAs } from "../support/link-node.ts";
import { until } from "../support/patience.ts";
import { PolarityProcess } from "../support/polarity-process.ts";

const FULL = process.env["POLARITY_TEST_FULL"] === "1";
const LABELS = { one: "x".repeat(250), two: "y".repeat(250), three: "z".repeat(250), four: "w".repeat(200) };

const offer = (service: string): Announcement => ({
  service,
  weight: 1,
  protocol: "http/1.1",
  labels: LABELS,
  health: "up",
});

async function startWorld(t: Parameters<typeof startNode>[0]) {
  const warnings: { readonly fields: LogFields; readonly message: string }[] = [];
  const logger: Logger = { ...silentLogger, warn: (fields, message) => void warnings.push({ fields, message }) };
  const router = await startNode(
    t,
    {
      node: { name: "edge" },
      links: { accept: [{ url: "tcp://127.0.0.1:0" }] },
      listeners: [{ url: "http://127.0.0.1:0", waitForOffer: "0s" }],
      limits: { offerMemory: "256KiB" },
    },
    logger,
  );
  const link = router.addresses.links[0]!;
  return { router, link, warnings };
}

test("offers over several links of one peer, direct ones and such that lead on, share one bound", async (t) => {
  const { router, link, warnings } = await startWorld(t);
  const links = await Promise.all([joinAs(t, "rogue-1", link), joinAs(t, "rogue-2", link)]);
  for (const [at, each] of links.entries()) {
    for (let number = 0; number < 200; number++) {
      each.offer(offer(`direct-${at}-${number}`));
      const origin = { node: `n-${number}`, instance: `i-${at}-${number}` };
      each.offer(offer(`behind-${at}-${number}`), { hops: [origin], cost: 1 });
    }
  }
  const { totals } = await until("all were looked at", () => {
    const view = router.view();
    return view.services.length + view.totals.offersRefusedTotal >= 800 && view;
  });
  assert.ok(totals.offersRefusedTotal > 600, `${totals.offersRefusedTotal} were refused`);
  const [words] = warnings.filter(({ fields }) => fields["code"] === "LINK_LIMIT");
  assert.match(words!.message, /bytes that all offers of the nodes at 127\.0\.0\.1 may take here/);
  assert.ok(warnings.length < 10, `${warnings.length} lines in the log`);
  // What they take back makes room again.
  for (const each of links) each.close(new PolarityError("NODE_STOPPED", "gone"));
  await until("they are gone", () => router.view().links.length === 0);
  const app = await startHttpApp(t, (_request, response) => response.end("hello"));
  await startConnector(t, link, { web: { target: app.url } });
  await offered(router, "web");
  const answer = await ask(portOf(router.addresses.listeners[0]!), { path: "/", headers: { "x-service-id": "web" } });
  assert.equal(answer.body.toString(), "hello");
});

test("twelve links with ten thousand offers each do not end a router with a small heap", { skip: !FULL }, async (t) => {
  const admin = "http://127.0.0.1:0";
  const router = new PolarityProcess(t, ["router", "--link", "tcp://127.0.0.1:0", "--admin", admin], {
    env: { NODE_OPTIONS: "--max-old-space-size=256" },
  });
  const addresses = await router.ready();
  for (let at = 0; at < 12; at++) {
    const link = await joinAs(t, `rogue-${at}`, addresses.links[0]!);
    for (let number = 0; number < 10_000; number++) {
      const onward = at % 2 === 0 ? undefined : { hops: [{ node: "n", instance: `i-${at}` }], cost: 1 };
      link.offer(offer(`s-${at}-${number}`), onward);
    }
  }
  const seen = async (): Promise<number> => {
    const view = (await (await fetch(`${addresses.admin}/stats`)).json()) as NodeView;
    return view.services.length + view.totals.offersRefusedTotal;
  };
  await until("all offers were looked at", async () => (await seen()) === 120_000, 60_000);
});
