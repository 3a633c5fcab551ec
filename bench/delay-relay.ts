/**
 * A long path: a TCP relay that holds every byte back for a fixed time, each way, and limits nothing else.
 *
 * Bytes wait in a queue with the time at which they may go on, so the delay does not depend on how much is under way. The
 * relay itself accepts at once, so a TCP handshake through it is not delayed; and Node's timers are a millisecond coarse,
 * so the true round trip is measured, not assumed.
 */
import { connect, createServer, type Socket } from "node:net";

/** Far more than the bandwidth-delay product on loopback; only a receiver that stopped reading gets here. */
const QUEUE_BYTES_MAX = 256 * 1024 * 1024;

interface Held {
  readonly due: number;
  /** Undefined is the end of the stream. */
  readonly bytes: Buffer | undefined;
}

const { listen, target, delayMs } = JSON.parse(process.argv[2] ?? "{}") as {
  listen: number;
  target: number;
  delayMs: number;
};

createServer({ noDelay: true, allowHalfOpen: true }, (near) => {
  const far = connect({ port: target, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
  hold(near, far);
  hold(far, near);
}).listen(listen, "127.0.0.1");

function hold(from: Socket, to: Socket): void {
  const queue: Held[] = [];
  let first = 0;
  let bytesHeld = 0;
  let blocked = false;
  let timer: NodeJS.Timeout | undefined;

  const release = (): void => {
    timer = undefined;
    const now = performance.now();
    for (;;) {
      const held = queue[first];
      if (held === undefined || blocked) break;
      // A timer is up to a millisecond late and never early: half a millisecond of grace keeps the mean honest.
      if (held.due > now + 0.5) {
        timer = setTimeout(release, held.due - now);
        break;
      }
      first += 1;
      if (held.bytes === undefined) {
        to.end();
        continue;
      }
      bytesHeld -= held.bytes.length;
      blocked = !to.write(held.bytes);
    }
    if (first > 1_024) {
      queue.splice(0, first);
      first = 0;
    }
    if (bytesHeld < QUEUE_BYTES_MAX) from.resume();
  };
  const put = (bytes: Buffer | undefined): void => {
    queue.push({ due: performance.now() + delayMs, bytes });
    bytesHeld += bytes?.length ?? 0;
    if (bytesHeld >= QUEUE_BYTES_MAX) from.pause();
    if (timer === undefined && !blocked) timer = setTimeout(release, delayMs);
  };

  from.on("data", put);
  from.on("end", () => put(undefined));
  from.on("error", () => {});
  // An orderly close needs nothing here: the end waits in the queue behind the bytes. A reset does not wait.
  from.on("close", (hadError) => {
    if (hadError) to.destroy();
  });
  to.on("drain", () => {
    blocked = false;
    if (timer === undefined) release();
  });
  to.on("close", () => clearTimeout(timer));
}
