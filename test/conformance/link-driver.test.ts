import assert from "node:assert/strict";
import { test } from "node:test";

import { NO_SINK, type WriteOutcome } from "../../src/base/byte-stream.ts";
import { systemClock } from "../../src/base/clock.ts";
import { LinkDriver } from "../../src/link/driver.ts";
import type { Transport, TransportHandler } from "../../src/link/transport.ts";
import { encodeHeader, FLAG_FIN, FLAG_SYN, TYPE_WINDOW_UPDATE } from "../../src/mux/frame.ts";
import { DEFAULT_MUX_LIMITS, WindowBudget } from "../../src/mux/mux-limits.ts";
import type { MuxStream } from "../../src/mux/mux-stream.ts";
import { describeFrames } from "../support/mux-recorder.ts";

/** A transport whose far side is the test, and which fills up and drains when the test says so. */
class FullTransport implements Transport {
  readonly kind = "memory";
  readonly remoteAddress = "test";
  readonly certificateIdentity = undefined;
  readonly settled = false;
  readonly log: string[] = [];
  outcome: WriteOutcome = "queued";
  handler: TransportHandler | undefined;

  start(handler: TransportHandler): void {
    this.handler = handler;
  }

  write(buffers: readonly Buffer[]): WriteOutcome {
    this.log.push(...describeFrames(Buffer.concat(buffers)).filter((frame) => !frame.startsWith("PING")));
    return this.outcome;
  }

  end(): void {
    this.log.push("end");
  }

  destroy(): void {}
}

test("a link that closes because its last stream ended in a flush sends all of that flush first", async () => {
  const transport = new FullTransport();
  const accepted: MuxStream[] = [];
  const closed = Promise.withResolvers<void>();
  const driver = new LinkDriver(
    transport,
    "server",
    {
      opened: (stream) => {
        stream.sink = NO_SINK;
        accepted.push(stream);
      },
      refused: () => {},
      ticked: () => {},
      silence: () => {},
      peerGoesAway: () => {},
      streamFailed: () => {},
      idsRunOut: () => {},
      closed: () => closed.resolve(),
    },
    { clock: systemClock, limits: DEFAULT_MUX_LIMITS, nodeWindowBudget: new WindowBudget(0) },
  );
  driver.start();
  transport.outcome = "full";
  transport.handler!.received(encodeHeader(TYPE_WINDOW_UPDATE, FLAG_SYN | FLAG_FIN, 1, 0));
  const stream = accepted[0]!;
  stream.write(Buffer.alloc(8_000, "a"));
  // The transport is full now: the rest waits in the stream, its end behind it.
  stream.write(Buffer.alloc(8_000, "b"));
  stream.end();
  driver.closeAtStreams(0);
  assert.ok(!transport.log.includes("end"));
  transport.outcome = "queued";
  transport.handler!.drained();
  await closed.promise;
  transport.handler!.closed(undefined);
  assert.deepEqual(transport.log, ["DATA ACK 1 8000", "DATA - 1 8000", "WINDOW FIN 1 0", "GOAWAY - 0 0", "end"]);
});
