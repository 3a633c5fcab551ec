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
  readonly #entries: readonly { readonly name: string; readonly hash: Buffer }[];

  constructor(entries: readonly TokenEntry[]) {
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

  /** The identity that `token` proves, if any. */
  identify(token: string): string | undefined {
    const hash = hashOf(token);
    let found: string | undefined;
    // No early exit: every entry is compared, whatever was found before.
    for (const entry of this.#entries) {
      const equal = timingSafeEqual(entry.hash, hash);
      found = equal ? entry.name : found;
    }
    return found;
  }
}

function hashOf(token: string): Buffer {
  return createHash("sha256").update(token, "utf8").digest();
}
