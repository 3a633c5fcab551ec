/**
 * Who a request comes from, of those that X-Forwarded-For names: the rightmost that is no proxy of ours. What stands left of
 * it was written by somebody who is not trusted, and counts for nothing.
 *
 * Pure. O(entries read), from the right.
 */
import { formatIp, parseIp, unmapped } from "../base/ip-address.ts";

/** Entries looked at: nobody has more proxies of their own. */
const ENTRIES_MAX = 64;

/** `peer`: who sent the field, a trusted proxy; it is the client if the field names nobody. */
export function forwardedClient(list: string, peer: string, isTrusted: (host: string) => boolean): string {
  let client = peer;
  let end = list.length;
  for (let entry = 0; entry < ENTRIES_MAX && end >= 0; entry++) {
    const comma = end === 0 ? -1 : list.lastIndexOf(",", end - 1);
    const host = hostOf(list.slice(comma + 1, end).trim());
    // Empty elements of a list mean nothing; what is no address hides whoever stands behind it.
    if (host === undefined) return client;
    if (host !== "") {
      client = host;
      if (!isTrusted(host)) return client;
    }
    end = comma;
  }
  return client;
}

/** The address of an entry, with or without brackets and port; undefined if it is none. */
function hostOf(entry: string): string | undefined {
  if (entry === "") return "";
  const bracketed = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(entry)?.[1];
  const host = bracketed ?? (/^[\d.]+:\d{1,5}$/.test(entry) ? entry.slice(0, entry.indexOf(":")) : entry);
  const bytes = parseIp(host);
  return bytes === undefined ? undefined : formatIp(unmapped(bytes));
}
