/**
 * Which identity a service name belongs to: the one that offered it first, for the life of the process.
 *
 * Without claims any connector could take another's traffic by waiting for a moment in which it is away. Claims are never
 * given up, so they are counted: whoever offers and withdraws ever new names stops at `perPayerMax`, or where as few are left
 * for all others. Anonymous peers are one identity, and each of their addresses pays for itself.
 */
import { PolarityError } from "../base/errors.ts";

/** Of the names of one payer: what all of them have together. */
const PAYERS_AT_ONCE = 10;

export class NameClaims {
  readonly #perPayerMax: number;
  readonly #owners = new Map<string, string>();
  readonly #counts = new Map<string, number>();
  #charged = 0;

  constructor(perPayerMax: number) {
    this.#perPayerMax = perPayerMax;
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

  /** Undefined when the name is the identity's, now or already. `payer`: who is charged; undefined for this node itself. */
  claim(service: string, identity: string, payer: string | undefined): PolarityError | undefined {
    const taken = this.check(service, identity);
    if (taken !== undefined || this.#owners.has(service)) return taken;
    if (payer !== undefined) {
      const refusal = this.#charge(service, payer);
      if (refusal !== undefined) return refusal;
    }
    this.#owners.set(service, identity);
    return undefined;
  }

  #charge(service: string, payer: string): PolarityError | undefined {
    const count = this.#counts.get(payer) ?? 0;
    if (count >= this.#perPayerMax) {
      const limit = `${this.#perPayerMax} service names that ${payer} may claim`;
      return new PolarityError("LINK_LIMIT", `service "${service}" is past the ${limit}`);
    }
    const free = PAYERS_AT_ONCE * this.#perPayerMax - this.#charged;
    if (count >= free) {
      const limit = `${payer} has claimed ${count} service names, and only ${free} are left for all peers`;
      return new PolarityError("LINK_LIMIT", `service "${service}" is one too many: ${limit}`);
    }
    this.#counts.set(payer, count + 1);
    this.#charged++;
    return undefined;
  }
}
