/**
 * Tokens: who may join an acceptor.
 *
 * An acceptor keeps hashes only. A look-up hashes what was shown and compares it with every entry in constant time, so
 * that its duration tells nothing about which token was nearly right. Tokens are never part of a message.
 */
import { createHash, timingSafeEqual } from "node:crypto";

export interface TokenEntry {
  /** The identity that the token proves. */
  readonly name: string;
  readonly token: string;
}

export class TokenSet {
  /** The file, if they come from one: what may be shown. */
  readonly origin: string;
  readonly #entries: readonly { readonly name: string; readonly hash: Buffer }[];

  constructor(entries: readonly TokenEntry[], origin = "") {
    this.origin = origin;
    this.#entries = entries.map(({ name, token }) => ({ name, hash: hashOf(token) }));
  }

  get size(): number {
    return this.#entries.length;
  }

  /** Equal for equal sets; tells whether a file changed without telling what is in it. */
  get fingerprint(): string {
    const hash = createHash("sha256");
    for (const entry of this.#entries) hash.update(JSON.stringify(entry.name)).update(entry.hash);
    return hash.digest("hex");
  }

  /** Whether whoever is let in by `other` is let in by these, as the same. */
  covers(other: TokenSet): boolean {
    return other.#entries.every(({ name, hash }) => this.identifyHash(hash) === name);
  }

  /** The identity that `token` proves, if any. */
  identify(token: string): string | undefined {
    return this.identifyHash(hashOf(token));
  }

  /** The same by the token's hash, for who was let in by it and comes under other tokens now. */
  identifyHash(hash: Buffer): string | undefined {
    let found: string | undefined;
    // No early exit: every entry is compared, whatever was found before.
    for (const entry of this.#entries) {
      const equal = timingSafeEqual(entry.hash, hash);
      found = equal ? entry.name : found;
    }
    return found;
  }
}

export function hashOf(token: string): Buffer {
  return createHash("sha256").update(token, "utf8").digest();
}
