/** What a mux session is given, and what it tells its driver. */
import type { PolarityError } from "../base/errors.ts";
import type { MuxLimits, WindowBudget } from "./mux-limits.ts";
import type { MuxStream } from "./mux-stream.ts";

export interface MuxEvents {
  /** The peer opened a stream: set `stream.sink` before returning. */
  opened(stream: MuxStream): void;
  /** A stream of the peer is not taken: `error` says why, and its reset follows. */
  refused?(streamId: number, error: PolarityError): void;
  /** Call `flush` before this turn of the event loop ends. Repeats are harmless. */
  wantsFlush(): void;
  /** A suspicion began or ended. */
  silence(suspect: boolean): void;
  /** The peer accepts no new streams; those under way go on. */
  peerGoesAway(): void;
  /** Few stream ids are left: replace this session soon. Called once. */
  idsRunOut(): void;
  /** The number of open streams fell. */
  streamClosed(streamsOpen: number): void;
  /** The user of a stream failed, which ends that stream; `error` says so. */
  streamFailed?(stream: MuxStream, error: PolarityError): void;
  /** Over, once and last; every stream's sink was reset before. Flush once more, then close the transport. */
  closed(error: PolarityError): void;
}

export interface MuxOptions {
  /** The dialler of the link is the client: odd stream ids. */
  readonly role: "client" | "server";
  readonly limits: MuxLimits;
  readonly nodeWindowBudget: WindowBudget;
  readonly now: number;
  /** For tests of running out; must have the role's parity. */
  readonly firstStreamId?: number;
}
