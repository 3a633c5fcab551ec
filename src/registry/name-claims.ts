/**
 * Which identity a service name belongs to: the one that offered it first, for the life of the process.
 *
 * Without claims any connector could take another's traffic by waiting for a moment in which it is away. Claims are never
 * given up, so they are counted: an identity that offers and withdraws ever new names stops at `perIdentityMax`.
 */
import { PolarityError } from "../base/errors.ts";

export class NameClaims {
  readonly #perIdentityMax: number;
  readonly #owners = new Map<string, string>();
  readonly #counts = new Map<string, number>();

  constructor(perIdentityMax: number) {
    this.#perIdentityMax = perIdentityMax;
  }

  ownerOf(service: string): string | undefined {
    return this.#owners.get(service);
  }

  /** Undefined when the name is the identity's, or nobody's. */
  check(service: string, identity: string): PolarityError | undefined {
    const owner = this.#owners.get(service);
    if (owner === undefined || owner === identity) return undefined;
    // The owner is not named: the answer goes to a peer that need not know who else is here.
    return new PolarityError("NAME_TAKEN", `service "${service}" belongs to another identity than "${identity}"`);
  }

  /** Undefined when the name is the identity's, now or already. */
  claim(service: string, identity: string): PolarityError | undefined {
    const taken = this.check(service, identity);
    if (taken !== undefined || this.#owners.has(service)) return taken;
    const count = this.#counts.get(identity) ?? 0;
    if (count >= this.#perIdentityMax) {
      const limit = `${this.#perIdentityMax} service names that one identity may claim`;
      return new PolarityError("LINK_LIMIT", `service "${service}" of "${identity}" is past the ${limit}`);
    }
    this.#owners.set(service, identity);
    this.#counts.set(identity, count + 1);
    return undefined;
  }
}
