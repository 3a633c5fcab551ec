/** Host fields and authorities (RFC 9110 §7.2, RFC 3986 §3.2.2): what is valid, and what is an address. */

const BRACKET = 0x5b;
const COLON = 0x3a;
const PERCENT = 0x25;

/** Per character: 1 in a registered name. A comma is left out, though RFC 3986 allows it: lists make parsers disagree. */
const NAME = characterTable("-._~!$&'()*+;=0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
const HEX = characterTable("0123456789ABCDEFabcdef");

/** Why `host` is not `name`, `name:port`, `[address]` or `[address]:port`; empty when it is. */
export function refusedHost(host: string): string {
  let at = 0;
  if (host.charCodeAt(0) === BRACKET) {
    at = host.indexOf("]") + 1;
    if (at < 4 || !isAddressLiteral(host, at - 1)) return "an invalid IP literal";
  } else {
    while (at < host.length && NAME[host.charCodeAt(at)] === 1) at++;
    if (at < host.length && host.charCodeAt(at) !== COLON) {
      at = skipEncoded(host, at);
      if (at < 0) return "an invalid character";
    }
    if (at === 0) return "an empty host name";
  }
  if (at === host.length) return "";
  return isPort(host, at) ? "" : "an invalid port";
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

/** Goes on over a name that holds percent-encoded bytes; -1 if they are malformed or something else is in it. */
function skipEncoded(host: string, start: number): number {
  let at = start;
  while (at < host.length && host.charCodeAt(at) !== COLON) {
    if (host.charCodeAt(at) === PERCENT) {
      if (HEX[host.charCodeAt(at + 1)] !== 1 || HEX[host.charCodeAt(at + 2)] !== 1) return -1;
      at += 3;
    } else if (NAME[host.charCodeAt(at)] === 1) {
      at++;
    } else {
      return -1;
    }
  }
  return at;
}

/** Coarse on purpose: only the characters of an IPv6 address, and a colon among them. */
function isAddressLiteral(host: string, end: number): boolean {
  let colons = 0;
  for (let at = 1; at < end; at++) {
    const code = host.charCodeAt(at);
    if (code === COLON) colons++;
    else if (HEX[code] !== 1 && host[at] !== ".") return false;
  }
  return colons >= 2 && colons <= 7;
}

function isPort(host: string, colon: number): boolean {
  if (host.charCodeAt(colon) !== COLON || host.length - colon > 6) return false;
  let port = 0;
  for (let at = colon + 1; at < host.length; at++) {
    const digit = host.charCodeAt(at) - 0x30;
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
