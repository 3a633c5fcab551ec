/**
 * Tokens: who may join an acceptor.
 *
 * An acceptor keeps hashes only. A look-up hashes what was shown and compares it with every entry in constant time, so
 * that its duration tells nothing about which token was nearly right. Tokens are never part of a message.
 */
import { createHash, timingSafeEqual } from "node:crypto";

import { parse as parseYaml } from "yaml";

import { messageOf, PolarityError } from "../base/errors.ts";
import { NAME_LENGTH_MAX, TOKEN_LENGTH_MAX } from "./link-limits.ts";
import { LOCAL_IDENTITY } from "../registry/registry.ts";

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

/**
 * The entries of a tokens file: `name: token` lines, or a list of `{ name, token }` where a name may come twice, so that
 * a token can be replaced while the old one still works. `where` is the file's name for messages.
 */
export function parseTokens(text: string, where: string): readonly TokenEntry[] {
  let document: unknown;
  try {
    document = parseYaml(text);
  } catch (error) {
    // The parser's message quotes the file, so only its first line's reason is passed on.
    throw new PolarityError("CONFIG_INVALID", `${where}: not YAML: ${firstLine(messageOf(error))}`);
  }
  const pairs: readonly (readonly [unknown, unknown])[] = Array.isArray(document)
    ? document.map((item: unknown) => (isRecord(item) ? ([item["name"], item["token"]] as const) : [undefined, item]))
    : isRecord(document)
      ? Object.entries(document)
      : [];
  if (pairs.length === 0) {
    throw new PolarityError("CONFIG_INVALID", `${where}: expected lines of "name: token", or a list of {name, token}`);
  }
  const owners = new Map<string, string>();
  return pairs.map(([name, token], index) => {
    const at = `${where}: entry ${index + 1}`;
    if (typeof name !== "string" || name === "" || name.length > NAME_LENGTH_MAX) {
      throw new PolarityError("CONFIG_INVALID", `${at}: expected a name`);
    }
    if (name === LOCAL_IDENTITY) {
      throw new PolarityError("CONFIG_INVALID", `${at}: "${name}" is who this node itself is; take another name`);
    }
    if (typeof token !== "string" || token === "" || token.length > TOKEN_LENGTH_MAX) {
      throw new PolarityError(
        "CONFIG_INVALID",
        `${at} (${name}): expected a token in quotes, of 1 to ${TOKEN_LENGTH_MAX} characters`,
      );
    }
    const owner = owners.get(token);
    if (owner !== undefined && owner !== name) {
      throw new PolarityError("CONFIG_INVALID", `${at} (${name}): the token is also that of ${owner}`);
    }
    owners.set(token, name);
    return { name, token };
  });
}

function hashOf(token: string): Buffer {
  return createHash("sha256").update(token, "utf8").digest();
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0] ?? "";
}
