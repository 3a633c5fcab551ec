/**
 * The contract of an analyzer: it understands a protocol well enough to keep statistics of it.
 *
 * An analyzer taps connections. A tap is shown what passes, in the slices in which it passes, and has no say
 * in it. A tap keeps a bounded amount of memory for its connection, whatever the peers send.
 *
 * Bytes are lent for the call and must not be written to. `now` is in milliseconds on a monotonic clock. A tap that throws
 * is detached from its connection, which goes on.
 */
import type { Meters, Statistics } from "./meters.ts";

/** One for each place in the configuration that says `analyze`. */
export interface Analyzer {
  /** A connection began. */
  open(now: number): Tap;
  /** What it found out; left out, everything that its meters hold. */
  statistics?(now: number): Statistics;
}

/** One for each connection. */
export interface Tap {
  fromClient(bytes: Buffer, now: number): void;
  fromServer(bytes: Buffer, now: number): void;
  /** The connection is over, in whichever way; the last call. */
  closed?(now: number): void;
  /** What it found out about this connection. */
  statistics?(now: number): Statistics;
}

/** Makes an analyzer that counts with `meters`, which are its own. */
export type AnalyzerFactory = (meters: Meters) => Analyzer;
