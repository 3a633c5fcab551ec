/** docs/PROTOCOL.md says what the code does: its first bytes join, and its limits are the ones in force. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { PolarityError } from "../../src/base/errors.ts";
import { JoinedLink } from "../../src/link/joined-link.ts";
import { DEFAULT_LINK_LIMITS } from "../../src/link/link-limits.ts";
import { createMemoryTransportPair } from "../../src/link/transport-memory.ts";
import { DEFAULT_MUX_LIMITS } from "../../src/mux/mux-limits.ts";
import { LinkNode } from "../support/link-node.ts";

const document = readFileSync(new URL("../../docs/PROTOCOL.md", import.meta.url), "utf8");

test("the worked example of the first bytes is a hello that joins", { timeout: 10_000 }, async () => {
  const example = /<!-- hello -->\s*```\n([0-9a-f\s]+)```/.exec(document)?.[1];
  assert.ok(example !== undefined);
  const router = new LinkNode("router");
  const [near, far] = createMemoryTransportPair();
  const owner = { joined: () => {}, replace: () => {}, closed: () => {} };
  const side = { kind: "acceptor", authenticate: () => "anonymous" } as const;
  const link = new JoinedLink(near, side, router.context, owner, 5_000);
  link.start();
  const received: Buffer[] = [];
  const welcomed = Promise.withResolvers<void>();
  far.start({
    received: (chunk) => {
      received.push(chunk);
      if (Buffer.concat(received).includes("\n")) welcomed.resolve();
    },
    drained: () => {},
    closed: () => {},
  });
  far.write([Buffer.from(example.replaceAll(/\s/g, ""), "hex")]);
  await router.joinedOnce();
  await welcomed.promise;
  assert.equal(link.peer.node, "phone0");
  assert.equal(link.peer.instance, "7f3a");
  const answer = Buffer.concat(received);
  assert.equal(answer.subarray(0, 8).toString("hex"), "0002000100000000", "a ping comes first");
  assert.equal(answer.subarray(12, 20).toString("hex"), "0000000200000001", "then DATA with ACK on stream 1");
  link.close(new PolarityError("NODE_STOPPED", "the test is over"));
});

test("the table of limits names the defaults in force", () => {
  const limits = { ...DEFAULT_LINK_LIMITS, ...DEFAULT_MUX_LIMITS };
  const rows: readonly (readonly [string, string])[] = [
    ["handshake", `${limits.handshakeMs / 1_000} s`],
    ["connections of a port that have not joined", counted(limits.joiningMax)],
    ["links of a port", counted(limits.linksMax)],
    ["websocket message", sized(limits.websocketMessageBytesMax)],
    ["control line", sized(limits.controlLineBytesMax)],
    ["control lines", `${counted(limits.controlLinesBurst)}, then ${counted(limits.controlLinesPerSecond)} a second`],
    ["services offered over a link", counted(limits.offersMax)],
    ["streams that the peer has open", counted(limits.peerStreamsMax)],
    ["streams whose preamble is not complete", counted(limits.unacceptedStreamsMax)],
    ["preamble", sized(limits.preambleBytesMax)],
    ["resets in a second", counted(limits.peerResetsPerSecondMax)],
    ["pings in a second", counted(limits.peerPingsPerSecondMax)],
    ["answers (pongs, resets) not read", sized(limits.controlBytesMax)],
  ];
  for (const [name, value] of rows) {
    const row = document.split("\n").find((line) => line.startsWith(`| ${name} `));
    assert.equal(row?.split("|")[2]?.trim(), value, name);
  }
});

function counted(count: number): string {
  return count.toLocaleString("en-US");
}

function sized(bytes: number): string {
  return bytes >= 1024 * 1024 ? `${bytes / 1024 / 1024} MiB` : `${bytes / 1024} KiB`;
}
