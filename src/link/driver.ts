/**
 * Drives one mux session over one transport: reading, writing, time.
 *
 * All sessions that have something to send flush in one `setImmediate`, so what was written during a poll of the event loop
 * leaves in one system call per link; a link with little to do flushes sooner, behind the callback that wrote. One unref'd interval serves every driver; it judges silence only after a round of I/O
 * has run, because timers run before poll and a busy loop must not look like a dead peer.
 */
import type { WriteOutcome } from "../base/byte-stream.ts";
import type { Clock } from "../base/clock.ts";
import { messageOf, PolarityError } from "../base/errors.ts";
import { guarded, internalError } from "../base/internal-error.ts";
import type { MuxLimits, WindowBudget } from "../mux/mux-limits.ts";
import { MuxSession } from "../mux/mux-session.ts";
import type { MuxStream } from "../mux/mux-stream.ts";
import { foreignGreeting } from "./foreign-greeting.ts";
import { FlushPace } from "./flush-pace.ts";
import type { Transport } from "./transport.ts";

export interface DriverEvents {
  /** The peer opened a stream: set `stream.sink` before returning. */
  opened(stream: MuxStream): void;
  /** A stream of the peer is about to be reset for want of room. */
  refused?(streamId: number, error: PolarityError): void;
  /** Suspect, or trusted again. */
  silence(suspect: boolean): void;
  /** A tenth of a second or so has passed. */
  ticked(): void;
  /** The peer takes no new streams. */
  peerGoesAway(): void;
  /** Open a replacement soon: this session runs out of stream ids. */
  idsRunOut(): void;
  /** The user of a stream failed: the peer should hear of it before the stream is reset. */
  streamFailed(stream: MuxStream, error: PolarityError): void;
  /** Over, once and last; streams were reset before. */
  closed(error: PolarityError): void;
}

export interface DriverOptions {
  readonly clock: Clock;
  readonly limits: MuxLimits;
  readonly nodeWindowBudget: WindowBudget;
  readonly firstStreamId?: number;
}

/** So much leaves before the turn is over: with nothing but one write a turn, the two sides would work in turns, too. */
const EARLY_FLUSH_BYTES = 4096;
const TICK_MS = 100;
/** How long a closing link may take to send what is queued. */
const CLOSE_WITHIN_MS = 1_000;

export class LinkDriver {
  readonly session: MuxSession;
  readonly transport: Transport;
  readonly #events: DriverEvents;
  readonly #clock: Clock;
  readonly #write: (buffers: Buffer[]) => WriteOutcome;
  readonly #pace = new FlushPace();
  #dirty = false;
  /** Flushes under way, one inside the other. */
  #flushes = 0;
  #transportClosed = false;
  /** Close when this many streams are open; negative while closing is not wanted. */
  #closeAtStreams = -1;

  constructor(transport: Transport, role: "client" | "server", events: DriverEvents, options: DriverOptions) {
    this.transport = transport;
    this.#events = events;
    this.#clock = options.clock;
    this.#write = (buffers) => transport.write(buffers);
    this.session = new MuxSession(
      {
        role,
        limits: options.limits,
        nodeWindowBudget: options.nodeWindowBudget,
        now: options.clock.now(),
        ...(options.firstStreamId === undefined ? {} : { firstStreamId: options.firstStreamId }),
      },
      {
        opened: (stream) => events.opened(stream),
        refused: (streamId, error) => events.refused?.(streamId, error),
        wantsFlush: () => this.#wantsFlush(),
        silence: (suspect) => events.silence(suspect),
        peerGoesAway: () => events.peerGoesAway(),
        idsRunOut: () => events.idsRunOut(),
        streamClosed: (open) => this.#streamClosed(open),
        streamFailed: (stream, error) => events.streamFailed(stream, error),
        closed: (error) => this.#sessionClosed(error),
      },
    );
  }

  start(): void {
    drivers.add(this);
    startTicking();
    this.transport.start({
      received: (chunk) => {
        try {
          this.#received(chunk);
        } catch (thrown) {
          this.#failed(thrown);
        }
      },
      drained: () => {
        if (this.transport.settled) this.session.output.settled();
        this.session.unblocked();
        this.#flushGuarded();
      },
      closed: (cause) => guarded("link", () => this.#transportEnded(cause)),
    });
    // The first ping measures the path before anything has to be tuned by it.
    this.session.ping(this.#clock.now());
  }

  /** Says goodbye and closes; streams under way are reset with `error`. */
  close(error: PolarityError): void {
    this.session.close(error);
  }

  /** Closes once no more than `streams` are open (the control stream is one). */
  closeAtStreams(streams: number): void {
    this.#closeAtStreams = streams;
    this.#streamClosed(this.session.streamsOpen);
  }

  flushDirty(): void {
    this.#dirty = false;
    this.#pace.turnEnded();
    this.#flushGuarded();
  }

  readonly #flushSoon = (): void => {
    this.#dirty = false;
    this.#flushGuarded();
  };

  tick(): void {
    try {
      if (this.transport.settled) this.session.output.settled();
      this.session.tick(this.#clock.now());
      this.#events.ticked();
    } catch (thrown) {
      this.#failed(thrown);
    }
  }

  /** Where the event loop calls in. */
  #flushGuarded(): void {
    try {
      this.#flush();
    } catch (thrown) {
      this.#flushes = 0;
      this.#failed(thrown);
    }
  }

  /** Something that nobody expected: this link ends, whatever state it is in, and all others go on. */
  #failed(thrown: unknown): void {
    const error = internalError("link", thrown);
    guarded(
      "link",
      () => this.session.close(error),
      () => this.transport.destroy(),
    );
  }

  #received(chunk: Buffer): void {
    const { session } = this;
    const foreign = session.bytesIn === 0 ? foreignGreeting(chunk) : undefined;
    if (foreign === undefined) session.receive(chunk, this.#clock.now());
    else session.close(new PolarityError("LINK_PROTOCOL", foreign));
  }

  #flush(): void {
    if (this.#transportClosed) return;
    // Not a plain flag: a session that closes in the middle of a flush still flushes its last frames, within this one.
    this.#flushes++;
    this.session.flush(this.#clock.now(), this.#write);
    this.#flushes--;
  }

  #wantsFlush(): void {
    if (this.#transportClosed) return;
    this.#pace.wished();
    if (!this.#dirty) {
      this.#dirty = true;
      if (this.#pace.soon()) void resolved.then(this.#flushSoon);
      else scheduleFlush(this);
    }
    // The peer may as well begin with these while the rest of the turn makes more.
    if (this.#flushes === 0 && this.session.output.bytes >= EARLY_FLUSH_BYTES) this.#flush();
  }

  #streamClosed(open: number): void {
    if (this.#closeAtStreams < 0 || open > this.#closeAtStreams) return;
    this.#closeAtStreams = -1;
    this.close(new PolarityError("LINK_DRAINING", "the link was drained"));
  }

  #sessionClosed(error: PolarityError): void {
    drivers.delete(this);
    stopTickingWhenIdle();
    if (!this.#transportClosed) {
      if (error.code === "LINK_TIMEOUT") {
        this.transport.destroy();
      } else {
        this.session.unblocked();
        this.#flush();
        this.transport.end();
        setTimeout(() => this.transport.destroy(), CLOSE_WITHIN_MS).unref();
      }
    }
    this.#events.closed(error);
  }

  #transportEnded(cause: Error | undefined): void {
    this.#transportClosed = true;
    const silent =
      this.session.bytesIn === 0 ? " without a word, as a port does that expects TLS (tls:// or wss://)" : "";
    const why = cause === undefined ? `the peer closed the connection${silent}` : messageOf(cause);
    this.session.close(
      new PolarityError("LINK_LOST", `the link to ${this.transport.remoteAddress} broke: ${why}`, cause),
    );
  }
}

// ── one flush per event-loop turn, for all drivers ──

/** What runs behind it runs right behind the callback under way. */
const resolved = Promise.resolve();
let waiting: LinkDriver[] = [];

function scheduleFlush(driver: LinkDriver): void {
  if (waiting.length === 0) setImmediate(flushWaiting);
  waiting.push(driver);
}

function flushWaiting(): void {
  const drivers = waiting;
  waiting = [];
  for (const driver of drivers) driver.flushDirty();
}

// ── one interval for all drivers ──

const drivers = new Set<LinkDriver>();
let ticking: NodeJS.Timeout | undefined;
const tickAfterPoll = (): void => {
  setImmediate(tickAll);
};

function startTicking(): void {
  ticking ??= setInterval(tickAfterPoll, TICK_MS).unref();
}

function stopTickingWhenIdle(): void {
  if (drivers.size > 0 || ticking === undefined) return;
  clearInterval(ticking);
  ticking = undefined;
}

function tickAll(): void {
  for (const driver of drivers) driver.tick();
}
