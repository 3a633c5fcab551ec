/** What a node lets its peer do, as each side tells the other in its first line; who keeps to it is never cut off for it. */

export interface ToldLimits {
  /** Streams that the peer may have open at once, the control stream included. */
  readonly streams: number;
  /** Resets in a second, of streams that the peer opened. */
  readonly resets: number;
  /** Control lines in a second, and how many may be saved up; those that answer streams of the reader do not count. */
  readonly lines: number;
  readonly linesAtOnce: number;
  /** Nothing was told. Resets and lines count then even where they answer what the peer itself asked. */
  readonly untold: boolean;
}

/** What a peer takes that tells nothing: the documented values of the protocol's first version. */
export const UNTOLD_LIMITS: ToldLimits = Object.freeze({
  streams: 16_384,
  resets: 5_000,
  lines: 1_000,
  linesAtOnce: 20_000,
  untold: true,
});

export const TOLD_LIMIT_FIELDS = ["streams", "resets", "lines", "linesAtOnce"] as const;
