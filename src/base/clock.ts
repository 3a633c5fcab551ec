/** Time and logs as values that are handed in, so that nothing pure reaches for the process. */

/** Milliseconds on a monotonic clock; only differences mean anything. */
export interface Clock {
  now(): number;
}

export const systemClock: Clock = { now: () => performance.now() };

export type LogFields = Readonly<Record<string, unknown>>;

/** What the engine logs with; pino fits. Fields first, then a lower-case message. */
export interface Logger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}

export const silentLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
};
