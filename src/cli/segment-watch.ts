/**
 * Watches whether a controller's segments have the services that its file wants of them. A service is found by the name of
 * its section, so a segment whose section has another name would take part in nothing, and nobody would know why.
 */
import type { Logger } from "../base/clock.ts";
import type { NodeObserver, OfferChange } from "../node/node-observer.ts";
import type { LinkView } from "../node/view.ts";

export class SegmentWatch implements NodeObserver {
  /** By the segment's address. */
  expected: ReadonlyMap<string, readonly string[]>;
  readonly #logger: Logger;
  /** What is offered over each link. */
  readonly #offered = new Map<string, Set<string>>();

  constructor(expected: ReadonlyMap<string, readonly string[]>, logger: Logger) {
    this.expected = expected;
    this.#logger = logger;
  }

  linkUp({ id, node, address, dialled }: LinkView): void {
    this.#offered.set(id, new Set());
    const expected = dialled ? this.expected.get(address) : undefined;
    if (expected === undefined) return;
    // What it has when it joins follows within the turn.
    setImmediate(() => {
      const offered = this.#offered.get(id);
      const missing = expected.filter((service) => offered?.has(service) === false);
      if (missing.length === 0) return;
      const others = [...(offered ?? [])].map((service) => `[${service}]`).join(", ");
      this.#logger.warn(
        { link: id, node },
        `the segment at ${address} has no section ${missing.map((service) => `[${service}]`).join(", ")}, ` +
          `${others === "" ? "nor any other" : `only ${others}`}: it takes part where the names are the same in both files`,
      );
    });
  }

  linkDown({ id }: LinkView): void {
    this.#offered.delete(id);
  }

  offerAdded({ link, service }: OfferChange): void {
    if (link !== null) this.#offered.get(link)?.add(service);
  }

  offerRemoved({ link, service }: OfferChange): void {
    if (link !== null) this.#offered.get(link)?.delete(service);
  }

  linkChanged(): void {}
  dialFailed(): void {}
  failed(): void {}
}
