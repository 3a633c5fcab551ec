/** Tells what answers where a link was expected, by the first bytes that it sends; a link's first byte is always 0. */

const GREETINGS: readonly (readonly [RegExp, string])[] = [
  [
    /^(HTTP\/|<)/i,
    "an HTTP server answers there, not a node's port for links; ws:// and wss:// pass through HTTP servers",
  ],
  [/^SSH-/, "an SSH server answers there, not a node's port for links"],
  [/^220[ -]/, "a mail or FTP server answers there, not a node's port for links"],
  [/^\*\d|^[-+](OK|ERR)/, "a server of the Redis protocol answers there, not a node's port for links"],
];

/** Undefined where it may be a link. */
export function foreignGreeting(first: Buffer): string | undefined {
  if (first.length === 0 || first[0] === 0) return undefined;
  // A TLS record: its type, then its version's major number (RFC 8446 §5.1).
  if (first[0]! >= 0x14 && first[0]! <= 0x17 && first[1] === 3) {
    return "a server that speaks TLS answers there; use tls:// or wss://";
  }
  const text = first.toString("latin1", 0, 16);
  const known = GREETINGS.find(([pattern]) => pattern.test(text));
  return known?.[1] ?? `what answers there speaks something else than the link protocol: its first byte is ${first[0]}`;
}
