import assert from "node:assert/strict";
import { test } from "node:test";
import { refuseGreedy } from "./accepted-links.ts";
import type { LinkPeer } from "./link.ts";

const LINKS_MAX = 64;

function peerOf(identity: string): { readonly peer: LinkPeer } {
  return { peer: { node: "n", instance: "i", identity, address: "192.0.2.1:1", features: [] } };
}

test("one identity has half of all links, and however many are greedy the next one finds a place", () => {
  const links = new Set<{ readonly peer: LinkPeer }>();
  const counts = Array.from({ length: 5 }, (_, who) => {
    let count = 0;
    try {
      for (;;) {
        refuseGreedy(links, `the peer "${who}"`, LINKS_MAX);
        links.add(peerOf(String(who)));
        count++;
      }
    } catch (error) {
      assert.match(String(error), /LINK_LIMIT|links here already/);
    }
    return count;
  });
  assert.deepEqual(counts, [32, 16, 8, 4, 2]);
  assert.doesNotThrow(() => refuseGreedy(links, 'the peer "modest"', LINKS_MAX));
});
