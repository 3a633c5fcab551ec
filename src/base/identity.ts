/**
 * Identities: who owns the names of services. Most are names of tokens and certificates; a few are built in, and nobody may
 * prove to be one of those.
 */

/** Of this node's own targets. */
export const LOCAL_IDENTITY = "local";
/** Of peers that have proved nothing. */
export const ANONYMOUS_IDENTITY = "anonymous";

const MEANINGS: ReadonlyMap<string, string> = new Map([
  [LOCAL_IDENTITY, "this node itself is"],
  [ANONYMOUS_IDENTITY, "every peer is that has neither a token nor a certificate"],
]);

/** Why nobody may be called so; undefined when they may. Case and blanks make no difference to those who read logs. */
export function reservedIdentity(name: string): string | undefined {
  const word = name.normalize("NFKC").trim().toLowerCase();
  const meaning = MEANINGS.get(word);
  return meaning === undefined ? undefined : `"${word}" is who ${meaning}`;
}
