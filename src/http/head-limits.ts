/** How much of a head is read before it is refused: each limit bounds what a peer can make us hold or scan. */
export interface HeadLimits {
  /** Bytes of the request target; longer ones are answered with 414. */
  readonly targetBytesMax: number;
  /** Field lines in a head; more are answered with 431. */
  readonly fieldCountMax: number;
}

export const DEFAULT_HEAD_LIMITS: HeadLimits = Object.freeze({ targetBytesMax: 8 * 1024, fieldCountMax: 100 });

/** Bytes of a whole head, blank line included: what a `HeadCollector` is usually given. */
export const DEFAULT_HEAD_BYTES_MAX = 32 * 1024;
