/**
 * Whether connections that are kept to an app still lead where its name does.
 *
 * Asked for every so often while there are such connections. An address counts as gone when two answers in a row lack it,
 * because some name servers give a part of many addresses each time. Places without a name never change.
 */
import type { Socket } from "node:net";
import { formatDestination, type NameResolver } from "../socket/name-resolver.ts";
import { needsRace } from "../socket/place-connection.ts";
import type { AppPlace } from "./app-socket.ts";
import type { Place } from "../base/address.ts";

export class AppAddresses {
  readonly #place: Place & { readonly kind: "tcp" };
  readonly #names: NameResolver;
  readonly #changed: () => void;
  #latest: ReadonlySet<string> | undefined;
  #previous: ReadonlySet<string> | undefined;
  #nextAt = 0;
  #asking = false;

  /** Undefined for a place that stays where it is. `changed`: some address may be gone. */
  static of({ place, names }: AppPlace, changed: () => void): AppAddresses | undefined {
    return needsRace(place) ? new AppAddresses(place, names, changed) : undefined;
  }

  private constructor(place: Place & { readonly kind: "tcp" }, names: NameResolver, changed: () => void) {
    this.#place = place;
    this.#names = names;
    this.#changed = changed;
  }

  /** False: the app is elsewhere now. A connection that does not stand yet leads where it should. */
  has({ remoteAddress, remotePort }: Socket): boolean {
    if (this.#latest === undefined || this.#previous === undefined) return true;
    if (remoteAddress === undefined || remotePort === undefined) return true;
    const at = formatDestination({ host: remoteAddress, port: remotePort });
    return this.#latest.has(at) || this.#previous.has(at);
  }

  /** Called often, while there are connections. */
  sweep(now: number): void {
    if (this.#asking || now < this.#nextAt) return;
    this.#asking = true;
    const places = this.#names.current(this.#place);
    places.then(
      (found) => {
        this.#answered(now);
        this.#previous = this.#latest;
        this.#latest = new Set(found.map(formatDestination));
        if (this.#previous !== undefined) this.#changed();
      },
      // What cannot be found out now is not taken for gone.
      () => this.#answered(now),
    );
  }

  #answered(askedAt: number): void {
    this.#asking = false;
    this.#nextAt = askedAt + this.#names.refreshMs;
  }
}
