import assert from "node:assert/strict";
import { test } from "node:test";
import type { MuxStream } from "../mux/mux-stream.ts";
import { ControlChannel } from "./control-channel.ts";
import { DEFAULT_LINK_LIMITS } from "./link-limits.ts";

/** The stream of a peer that reads, or does not. */
class PeerStream {
  reads = true;
  readonly lines: string[] = [];
  readonly takesNotes = true;

  writeLatin1(line: string): boolean {
    this.lines.push(line);
    return this.reads;
  }
}

test("that a stream is served is told also when the peer reads nothing for a while", () => {
  const peer = new PeerStream();
  const events = { message: () => {}, answers: () => false, broken: () => {} };
  const control = new ControlChannel(peer as unknown as MuxStream, DEFAULT_LINK_LIMITS, { now: () => 0 }, events);
  peer.reads = false;
  for (const stream of [3, 5, 7]) control.confirm(stream);
  assert.equal(peer.lines.length, 1, "it takes no more for now");
  control.drain();
  assert.equal(peer.lines.length, 2);
  peer.reads = true;
  control.drain();
  assert.deepEqual(
    peer.lines.map((line) => (JSON.parse(line) as { stream: number }).stream),
    [3, 5, 7],
  );
});
