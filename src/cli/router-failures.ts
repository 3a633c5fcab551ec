/** Why a command reaches none of its routers: the newest failure of each, while no link to any is up. */
import { PolarityError } from "../base/errors.ts";
import type { NodeObserver } from "../node/node-observer.ts";

export class RouterFailures implements NodeObserver {
  readonly #urls: ReadonlySet<string>;
  readonly #failures = new Map<string, PolarityError>();
  readonly #rejected = Promise.withResolvers<never>();
  #linksUp = 0;

  /** `urls`: of the routers that the command dials. */
  constructor(urls: Iterable<string>) {
    this.#urls = new Set(urls);
    // Nobody may be waiting yet, or any more.
    this.#rejected.promise.catch(() => {});
  }

  /** Rejects once every router has refused to let this node join: waiting longer would not help. */
  get rejected(): Promise<never> {
    return this.#rejected.promise;
  }

  /** What to tell a user instead of `error`, which came of having no link: why there is none. */
  instead(error: unknown): unknown {
    const [first, ...others] = this.#failures.values();
    if (this.#linksUp > 0 || first === undefined) return error;
    if (others.length === 0) return first;
    const messages = [first, ...others].map((failure) => failure.message);
    return new PolarityError(first.code, messages.join("; "), error);
  }

  dialFailed(url: string, error: PolarityError): void {
    this.#failures.set(url, error);
    const all = [...this.#urls].every((wanted) => this.#failures.get(wanted)?.code === "AUTH_FAILED");
    if (all && this.#linksUp === 0) this.#rejected.reject(this.instead(error));
  }

  linkUp(): void {
    this.#linksUp++;
    this.#failures.clear();
  }

  linkDown(): void {
    this.#linksUp--;
  }

  linkChanged(): void {}

  offerAdded(): void {}

  offerRemoved(): void {}

  failed(): void {}
}
