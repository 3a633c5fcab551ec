/** What a service's handlers do wrong: told to the program, and logged at most once in 10 s, as clients can cause it at will. */
import { inspect } from "node:util";
import { type Logger, silentLogger, systemClock } from "../base/clock.ts";
import { messageOf, PolarityError } from "../base/errors.ts";
import { QuietLog } from "../base/quiet-log.ts";

export class HandlerFailures {
  readonly #service: string;
  readonly #tell: (error: PolarityError) => boolean;
  readonly #always: boolean;
  readonly #quiet: QuietLog;

  /** `tell`: true if the program listens. Without a logger, what it does not hear goes to standard error. */
  constructor(service: string, tell: (error: PolarityError) => boolean, logger: Logger | undefined) {
    this.#service = service;
    this.#tell = tell;
    this.#always = logger !== undefined;
    this.#quiet = new QuietLog(logger ?? STANDARD_ERROR, systemClock);
  }

  /** Returns the error that was told. */
  failed(cause: unknown): PolarityError {
    const message = `the handler of service "${this.#service}" failed: ${messageOf(cause)}`;
    const error = new PolarityError("TARGET_FAILED", message, cause);
    const heard = this.#tell(error);
    if (this.#always || !heard) this.#quiet.log("handler", "error", { service: this.#service, error: cause }, message);
    return error;
  }

  tick(): void {
    this.#quiet.tick();
  }

  flush(): void {
    this.#quiet.flush();
  }
}

const STANDARD_ERROR: Logger = {
  ...silentLogger,
  error: ({ error }, message) => console.error(`polarity: ${message}\n${inspect(error)}`),
};
