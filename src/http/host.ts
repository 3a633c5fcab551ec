/** Host fields and authorities (RFC 9110 §7.2, RFC 3986 §3.2.2): what is valid, and what is an address. */

const BRACKET = 0x5b;
const CLOSING_BRACKET = 0x5d;
const COLON = 0x3a;
const PERCENT = 0x25;
const DOT = 0x2e;

/** Per character: 1 in a registered name. A comma is left out, though RFC 3986 allows it: lists make parsers disagree. */
const NAME = characterTable("-._~!$&'()*+;=0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
const HEX = characterTable("0123456789ABCDEFabcdef");

/** Why bytes[start, end) is not `name`, `name:port`, `[address]` or `[address]:port`; empty when it is. */
export function refusedHost(bytes: Uint8Array, start: number, end: number): string {
  let at = start;
  if (at < end && bytes[at] === BRACKET) {
    at = addressLiteralEnd(bytes, start, end);
    if (at < 0) return "an invalid IP literal";
  } else {
    while (at < end && NAME[bytes[at] as number] === 1) at++;
    if (at < end && bytes[at] !== COLON) at = encodedNameEnd(bytes, at, end);
    if (at < 0) return "an invalid character";
    if (at === start) return "an empty host name";
  }
  if (at === end) return "";
  return isPort(bytes, at, end) ? "" : "an invalid port";
}

/** The host without its port; an IPv6 address keeps its brackets. */
export function hostName(host: string): string {
  const colon = host.indexOf(":", host.charCodeAt(0) === BRACKET ? host.indexOf("]") : 0);
  return colon < 0 ? host : host.slice(0, colon);
}

/** Whether a host name (without port) is an IP address rather than a name. */
export function isAddress(name: string): boolean {
  return name.charCodeAt(0) === BRACKET || /^\d+(?:\.\d+){3}$/.test(name);
}

/** The end of a name that holds percent-encoded bytes; -1 if they are malformed or something else is in it. */
function encodedNameEnd(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && bytes[at] !== COLON) {
    if (bytes[at] === PERCENT) {
      if (at + 2 >= end || HEX[bytes[at + 1] as number] !== 1 || HEX[bytes[at + 2] as number] !== 1) return -1;
      at += 3;
    } else if (NAME[bytes[at] as number] === 1) {
      at++;
    } else {
      return -1;
    }
  }
  return at;
}

/** The end of `[address]`, or -1. Coarse on purpose: the characters of an IPv6 address, two to seven colons among them. */
function addressLiteralEnd(bytes: Uint8Array, start: number, end: number): number {
  let colons = 0;
  for (let at = start + 1; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte === CLOSING_BRACKET) return colons >= 2 && colons <= 7 ? at + 1 : -1;
    if (byte === COLON) colons++;
    else if (HEX[byte] !== 1 && byte !== DOT) return -1;
  }
  return -1;
}

function isPort(bytes: Uint8Array, colon: number, end: number): boolean {
  if (bytes[colon] !== COLON || end - colon > 6) return false;
  let port = 0;
  for (let at = colon + 1; at < end; at++) {
    const digit = (bytes[at] as number) - 0x30;
    if (digit < 0 || digit > 9) return false;
    port = port * 10 + digit;
  }
  // `host:` without digits is valid and means the default port.
  return port <= 65_535;
}

function characterTable(characters: string): Uint8Array {
  const table = new Uint8Array(256);
  for (const character of characters) table[character.charCodeAt(0)] = 1;
  return table;
}
