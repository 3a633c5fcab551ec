/** One of our mux sessions joined in memory to the yamux of another project, which calls its transport a connection. */
import { yamux } from "@chainsafe/libp2p-yamux";

import type { ByteSink } from "../../src/base/byte-stream.ts";
import type { PolarityError } from "../../src/base/errors.ts";
import { DEFAULT_MUX_LIMITS, WindowBudget } from "../../src/mux/mux-limits.ts";
import { type MuxEvents, MuxSession } from "../../src/mux/mux-session.ts";
import type { MuxStream } from "../../src/mux/mux-stream.ts";

type ForeignFactory = ReturnType<ReturnType<typeof yamux>>;
type ForeignConnection = Parameters<ForeignFactory["createStreamMuxer"]>[0];
export type ForeignMuxer = ReturnType<ForeignFactory["createStreamMuxer"]>;
export type ForeignStream = ForeignMuxer["streams"][number];

export class YamuxPair implements MuxEvents {
  readonly session: MuxSession;
  readonly theirs: ForeignMuxer;
  /** What closed our session. */
  readonly end = Promise.withResolvers<PolarityError>();
  readonly goingAway = Promise.withResolvers<void>();
  readonly #connection: Connection;
  readonly #accept: (stream: MuxStream) => ByteSink;
  #dirty = false;

  constructor(role: "client" | "server", accept: (stream: MuxStream) => ByteSink) {
    this.#accept = accept;
    this.session = new MuxSession(
      { role, limits: DEFAULT_MUX_LIMITS, nodeWindowBudget: new WindowBudget(1 << 28), now: performance.now() },
      this,
    );
    this.#connection = new Connection(role === "client" ? "inbound" : "outbound", (bytes) =>
      this.session.receive(bytes, performance.now()),
    );
    this.theirs = yamux({ enableKeepAlive: false })().createStreamMuxer(
      this.#connection as unknown as ForeignConnection,
    );
  }

  opened(stream: MuxStream): void {
    stream.sink = this.#accept(stream);
  }

  wantsFlush(): void {
    if (this.#dirty) return;
    this.#dirty = true;
    setImmediate(() => {
      this.#dirty = false;
      this.session.flush(performance.now(), (buffers) => {
        this.#connection.deliver(Buffer.concat(buffers));
        return "taken";
      });
    });
  }

  silence(): void {}
  peerGoesAway(): void {
    this.goingAway.resolve();
  }
  idsRunOut(): void {}
  streamClosed(): void {}
  closed(error: PolarityError): void {
    this.end.resolve(error);
  }
}

/** As much of their connection as a muxer touches. */
class Connection extends EventTarget {
  readonly direction: "inbound" | "outbound";
  readonly log = silentLog();
  readonly #received: (bytes: Buffer) => void;
  #outgoing: Buffer[] = [];

  constructor(direction: "inbound" | "outbound", received: (bytes: Buffer) => void) {
    super();
    this.direction = direction;
    this.#received = received;
  }

  deliver(bytes: Buffer): void {
    this.dispatchEvent(Object.assign(new Event("message"), { data: bytes }));
  }

  /** Takes their bytes, and hands them over in another turn as a socket would. */
  send(data: Uint8Array | { subarray(): Uint8Array }): boolean {
    if (this.#outgoing.length === 0) {
      setImmediate(() => {
        const bytes = Buffer.concat(this.#outgoing);
        this.#outgoing = [];
        this.#received(bytes);
      });
    }
    this.#outgoing.push(Buffer.from(data.subarray()));
    return true;
  }

  abort(error: Error): void {
    throw new Error("the other side found our frames at fault", { cause: error });
  }
}

interface SilentLog {
  (): void;
  trace: () => void;
  error: () => void;
  newScope: () => SilentLog;
}

function silentLog(): SilentLog {
  const log = (): void => {};
  return Object.assign(log, { trace: log, error: log, newScope: silentLog });
}
