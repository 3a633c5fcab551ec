/**
 * IP addresses as bytes and as text. Strict: four decimal numbers without leading zeroes, or RFC 4291 groups with at most
 * one `::` and an optional dotted end; no zones, no brackets.
 */

/** 4 or 16 bytes; undefined for anything that is no address. */
export function parseIp(text: string): Buffer | undefined {
  return text.includes(":") ? parseIpv6(text) : parseIpv4(text);
}

export function parseIpv4(text: string): Buffer | undefined {
  if (!IPV4.test(text)) return undefined;
  const numbers = text.split(".").map(Number);
  return numbers.every((number) => number <= 255) ? Buffer.from(numbers) : undefined;
}

export function parseIpv6(text: string): Buffer | undefined {
  if (text.length > IPV6_LENGTH_MAX) return undefined;
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const front = groupBytes(halves[0]!, halves.length === 1);
  const back = halves.length === 2 ? groupBytes(halves[1]!, true) : [];
  if (front === undefined || back === undefined) return undefined;
  const missing = 16 - front.length - back.length;
  // `::` stands for at least one group.
  if (halves.length === 1 ? missing !== 0 : missing < 2) return undefined;
  return Buffer.from([...front, ...Array<number>(missing).fill(0), ...back]);
}

/** The usual text: IPv6 as in RFC 5952, with IPv4 that came mapped into it in the dotted form. */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  if (isMapped(bytes)) return `::ffff:${bytes.subarray(12).join(".")}`;
  const groups = Array.from({ length: 8 }, (_, at) => (bytes[2 * at]! << 8) | bytes[2 * at + 1]!);
  const [start, length] = longestZeroes(groups);
  const hex = groups.map((group) => group.toString(16));
  if (length < 2) return hex.join(":");
  return `${hex.slice(0, start).join(":")}::${hex.slice(start + length).join(":")}`;
}

/** IPv4 that came mapped into IPv6 as what it is; anything else unchanged. */
export function unmapped(bytes: Buffer): Buffer {
  return bytes.length === 16 && isMapped(bytes) ? bytes.subarray(12) : bytes;
}

/**
 * Who counts as one client: an IPv4 address, or the first 64 bits of an IPv6 one, of which a subscriber has all the rest.
 * What is no address is its own key.
 */
export function clientKey(host: string): string {
  if (!host.includes(":")) return host;
  const bytes = parseIpv6(host.replace(/%.*$/s, ""));
  if (bytes === undefined) return host;
  const plain = unmapped(bytes);
  return plain.length === 4 ? formatIp(plain) : `${plain.toString("hex", 0, 8)}/64`;
}

const IPV4 = /^(?:(?:0|[1-9]\d{0,2})\.){3}(?:0|[1-9]\d{0,2})$/;
const IPV6_LENGTH_MAX = 45;

/** The bytes of groups between colons; none of an empty text. `last`: a dotted address may stand at the end. */
function groupBytes(text: string, last: boolean): number[] | undefined {
  if (text === "") return [];
  const groups = text.split(":");
  const bytes: number[] = [];
  for (const [at, group] of groups.entries()) {
    const dotted = last && at === groups.length - 1 && group.includes(".") ? parseIpv4(group) : undefined;
    if (dotted !== undefined) bytes.push(...dotted);
    else if (/^[0-9a-fA-F]{1,4}$/.test(group))
      bytes.push(Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255);
    else return undefined;
  }
  return bytes.length > 16 ? undefined : bytes;
}

function isMapped(bytes: Uint8Array): boolean {
  for (let at = 0; at < 10; at++) if (bytes[at] !== 0) return false;
  return bytes[10] === 255 && bytes[11] === 255;
}

/** Where the first of the longest runs of zeroes begins, and how long it is. */
function longestZeroes(groups: readonly number[]): readonly [number, number] {
  let best = 0;
  let bestLength = 0;
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === 0) length++;
    if (length > bestLength) {
      best = start;
      bestLength = length;
    }
  }
  return [best, bestLength];
}
