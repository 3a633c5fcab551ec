/**
 * Hosts as strings, each made once for all the heads that name it.
 *
 * Clients name the same few hosts again and again. One that was read lately costs a comparison of its bytes: it is valid,
 * needs no string of its own, and to compare it with itself is to compare two pointers. At most `SLOTS` are kept.
 */
import { refusedHost } from "./host.ts";

const SLOTS = 64;
/** Longer ones are not worth keeping: no name in the DNS with a port is. */
const LENGTH_MAX = 261;

interface KnownHost {
  readonly bytes: Uint8Array;
  readonly text: string;
}

const NO_HOST: KnownHost = { bytes: new Uint8Array(0), text: "" };
const known: KnownHost[] = Array.from({ length: SLOTS }, () => NO_HOST);

/** The host in bytes[start, end), empty if they are; or why it is none. */
export function readHost(bytes: Uint8Array, start: number, end: number): string | { readonly refused: string } {
  if (start === end) return "";
  const slot = slotOf(bytes, start, end);
  const kept = known[slot]!;
  if (isSame(kept.bytes, bytes, start, end)) return kept.text;
  const refused = refusedHost(bytes, start, end);
  if (refused !== "") return { refused };
  const copy = Buffer.from(bytes.subarray(start, end));
  // No slice of the head's text, which would keep all of it.
  const text = copy.toString("latin1");
  if (copy.length <= LENGTH_MAX) known[slot] = { bytes: copy, text };
  return text;
}

function isSame(kept: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  const length = end - start;
  if (kept.length !== length) return false;
  for (let at = length - 1; at >= 0; at--) if (kept[at] !== bytes[start + at]) return false;
  return true;
}

/** Hosts differ in their lengths, their first letters, and what their ports end with. */
function slotOf(bytes: Uint8Array, start: number, end: number): number {
  const first = bytes[start] as number;
  const last = bytes[end - 1] as number;
  return (first + 7 * last + 31 * (end - start)) & (SLOTS - 1);
}
