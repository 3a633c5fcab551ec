/** Time and logs as values that are handed in, so that nothing pure reaches for the process. */

/** Milliseconds on a monotonic clock; only differences mean anything. */
export interface Clock {
  now(): number;
}

export const systemClock: Clock = { now: () => performance.now() };

/** Time as of its owner's last tick: for timeouts of many milliseconds, where asking the system each time would cost more. */
export class CoarseClock implements Clock {
  #now: number;

  constructor(now: number) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  tick(now: number): void {
    this.#now = now;
  }
}

/** What a log line is about, by name. */
export type LogFields = Readonly<Record<string, unknown>>;

/** What the engine logs with; pino fits. Fields first, then a lower-case message. */
export interface Logger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}

/** Logs nothing. */
export const silentLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
};
