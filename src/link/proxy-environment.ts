/**
 * Which HTTP proxy a dialler goes through, by the environment variables that curl and others obey.
 *
 * Pure: the environment is handed in. A raw link to this machine never goes through a proxy; a websocket does unless
 * NO_PROXY names its host, as a web client's would.
 */
import { isLoopback, type LinkAddress } from "../base/address.ts";
import { messageOf, PolarityError } from "../base/errors.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** The proxy for `address`, or undefined to go straight. Throws `ADDRESS_INVALID` for a proxy that is no URL. */
export function proxyFor(address: LinkAddress, environment: Environment): URL | undefined {
  const { place, transport } = address;
  if (place.kind === "unix") return undefined;
  if ((transport === "tcp" || transport === "tls") && isLoopback(place.host)) return undefined;
  if (isExempt(place.host, place.port, variable(environment, "NO_PROXY"))) return undefined;
  const names =
    transport === "ws" ? ["HTTP_PROXY"] : transport === "tcp" ? ["HTTPS_PROXY", "HTTP_PROXY"] : ["HTTPS_PROXY"];
  for (const name of [...names, "ALL_PROXY"]) {
    const value = variable(environment, name);
    if (value !== "") return parseProxy(name, value);
  }
  return undefined;
}

/** The lower-case name wins where both are set, as with curl. */
function variable(environment: Environment, name: string): string {
  return environment[name.toLowerCase()] || environment[name] || "";
}

function parseProxy(name: string, value: string): URL {
  let url: URL;
  try {
    url = new URL(value.includes("://") ? value : `http://${value}`);
  } catch (error) {
    // Not the value: it may hold a password.
    throw new PolarityError("ADDRESS_INVALID", `${name} is not a URL: ${messageOf(error)}`);
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new PolarityError(
      "ADDRESS_INVALID",
      `${name}: only http:// and https:// proxies are known, not ${url.protocol}//`,
    );
  }
  return url;
}

/** NO_PROXY: names with everything under them, addresses, IPv4 ranges as a.b.c.d/n, each with an optional port; or `*`. */
function isExempt(host: string, port: number, list: string): boolean {
  return list.split(/[\s,]+/).some((entry) => {
    if (entry === "") return false;
    if (entry === "*") return true;
    const range = /^(\d+\.\d+\.\d+\.\d+)\/(\d+)$/.exec(entry);
    if (range !== null) return inRange(host, range[1]!, Number(range[2]));
    const parts = /^\[?([^\]]*?)\]?(?::(\d+))?$/.exec(
      entry.split(":").length > 2 && !entry.includes("[") ? `[${entry}]` : entry,
    );
    if (parts === null || (parts[2] !== undefined && Number(parts[2]) !== port)) return false;
    const name = parts[1]!.toLowerCase().replace(/^\*?\./, "");
    return host === name || host.endsWith(`.${name}`);
  });
}

function inRange(host: string, network: string, bits: number): boolean {
  const address = ipv4Number(host);
  const base = ipv4Number(network);
  if (address === undefined || base === undefined || bits > 32) return false;
  const size = 2 ** (32 - bits);
  return Math.floor(address / size) === Math.floor(base / size);
}

function ipv4Number(text: string): number | undefined {
  const parts = text.split(".").map(Number);
  if (parts.length !== 4 || !parts.every((part) => Number.isInteger(part) && part >= 0 && part <= 255))
    return undefined;
  return parts.reduce((sum, part) => sum * 256 + part, 0);
}
