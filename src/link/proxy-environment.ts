/**
 * Which HTTP proxy a dialler goes through, by the environment variables that curl and others obey.
 *
 * Pure: the environment is handed in. A raw link to this machine never goes through a proxy; a websocket does unless
 * NO_PROXY names its host, as a web client's would.
 */
import { BlockList, isIP } from "node:net";
import { isLoopback, type LinkAddress } from "../base/address.ts";
import { PolarityError } from "../base/errors.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** The proxy for `address`, or undefined to go straight. Throws `ADDRESS_INVALID` for a proxy that is no URL. */
export function proxyFor(address: LinkAddress, environment: Environment): URL | undefined {
  const { place, transport } = address;
  if (place.kind === "unix") return undefined;
  if ((transport === "tcp" || transport === "tls") && isLoopback(place.host)) return undefined;
  if (isExempt(place.host, place.port, variable(environment, "NO_PROXY")?.value ?? "")) return undefined;
  const names =
    transport === "ws" ? ["HTTP_PROXY"] : transport === "tcp" ? ["HTTPS_PROXY", "HTTP_PROXY"] : ["HTTPS_PROXY"];
  for (const name of [...names, "ALL_PROXY"]) {
    const used = variable(environment, name);
    if (used !== undefined) return parseProxy(used.name, used.value);
  }
  return undefined;
}

interface Variable {
  readonly name: string;
  readonly value: string;
}

/** The lower-case name wins where both are set, as with curl; undefined where neither is, or to nothing. */
function variable(environment: Environment, name: string): Variable | undefined {
  for (const written of [name.toLowerCase(), name]) {
    const value = environment[written];
    if (value !== undefined && value !== "") return { name: written, value };
  }
  return undefined;
}

/** No message repeats the value: it may hold a password. */
function parseProxy(name: string, value: string): URL {
  const url = URL.parse(value.includes("://") ? value : `http://${value}`);
  if (url === null || url.hostname === "") {
    throw new PolarityError(
      "ADDRESS_INVALID",
      `the environment variable ${name} is no URL of a proxy, such as http://proxy.example.com:3128`,
    );
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new PolarityError(
      "ADDRESS_INVALID",
      `the environment variable ${name} names a proxy by ${url.protocol}//; only http:// and https:// are known`,
    );
  }
  return url;
}

/** Names with everything under them, addresses, and ranges as `10.0.0.0/8` or `fd00::/8`, each but ranges with an optional port; or `*`. */
function isExempt(host: string, port: number, list: string): boolean {
  return list.split(/[\s,]+/).some((entry) => {
    if (entry === "") return false;
    if (entry === "*") return true;
    if (entry.includes("/")) return inRange(host, entry);
    const { name, port: only } = splitPort(entry);
    if (only !== undefined && only !== port) return false;
    if (isIP(host) !== 0 || isIP(name) !== 0) return sameAddress(host, name);
    return host === name || host.endsWith(`.${name}`);
  });
}

/** `name`, `name:port`, `[::1]:port`, or `::1` without brackets, which then has no port. */
function splitPort(entry: string): { readonly name: string; readonly port: number | undefined } {
  const bare = isIP(entry) === 6 ? `[${entry}]` : entry;
  const parts = /^\[?([^\]]*?)\]?(?::(\d+))?$/.exec(bare);
  const name = (parts?.[1] ?? entry).toLowerCase().replace(/^\*?\./, "");
  return { name, port: parts?.[2] === undefined ? undefined : Number(parts[2]) };
}

function sameAddress(host: string, other: string): boolean {
  const family = isIP(other);
  return family !== 0 && inRange(host, `${other}/${family === 6 ? 128 : 32}`);
}

/** An address of the other family is in no range, but for IPv4 ones that are written as IPv6. A range that is none matches nothing. */
function inRange(host: string, range: string): boolean {
  const [, written, bits] = /^\[?([^\]/]+)\]?\/(\d{1,3})$/.exec(range) ?? [];
  const network = written ?? "";
  const family = isIP(network);
  const hostFamily = isIP(host);
  if (family === 0 || hostFamily === 0 || Number(bits) > (family === 6 ? 128 : 32)) return false;
  const ranges = new BlockList();
  ranges.addSubnet(network, Number(bits), family === 6 ? "ipv6" : "ipv4");
  return ranges.check(host, hostFamily === 6 ? "ipv6" : "ipv4");
}
