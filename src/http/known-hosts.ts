/**
 * Hosts that were named lately, each as one string.
 *
 * Clients name the same few again and again. One that is known costs a comparison of its bytes: it is valid, needs no string
 * of its own, and comparing it with itself is comparing two pointers. At most `SLOTS` are kept, the last of each slot.
 */

const SLOTS = 64;
/** Longer ones are not worth keeping: no name in the DNS is. */
const LENGTH_MAX = 261;

interface KnownHost {
  readonly bytes: Uint8Array;
  readonly text: string;
}

const NO_HOST: KnownHost = { bytes: new Uint8Array(0), text: "" };
const known: KnownHost[] = Array.from({ length: SLOTS }, () => NO_HOST);

/** What bytes[start, end) name, if it is known; else empty. */
export function knownHost(bytes: Uint8Array, start: number, end: number): string {
  const host = known[slotOf(bytes, start, end)]!;
  const length = end - start;
  if (host.bytes.length !== length) return "";
  for (let at = length - 1; at >= 0; at--) if (host.bytes[at] !== bytes[start + at]) return "";
  return host.text;
}

/** Bytes[start, end), which are `host` and valid, are known from now on. Returns the string to use. */
export function rememberHost(bytes: Uint8Array, start: number, end: number, host: string): string {
  if (host.length > LENGTH_MAX) return host;
  const copy = bytes.slice(start, end);
  // No slice of the head's text: it would keep the head, and be slow to compare.
  const text = String.fromCharCode(...copy);
  known[slotOf(bytes, start, end)] = { bytes: copy, text };
  return text;
}

/** Hosts differ in their lengths, their first letters, and what their ports end with. */
function slotOf(bytes: Uint8Array, start: number, end: number): number {
  const first = bytes[start] as number;
  const last = bytes[end - 1] as number;
  return (first + 7 * last + 31 * (end - start)) & (SLOTS - 1);
}
