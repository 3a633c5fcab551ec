/**
 * The URL forms by which links, targets and listeners are named, and what is short for them.
 *
 * Pure and strict: what cannot be understood is an `ADDRESS_INVALID` whose message shows a form that would do. Nothing is
 * resolved here; names stay names. Credentials in a URL are refused, because URLs are logged.
 */
import { PolarityError } from "./errors.ts";
import type { StreamProtocol } from "./upstream.ts";

/**
 * Where a socket goes or listens. An empty `host` means every interface (listening only). The `path` of an abstract unix
 * socket begins with a zero byte, as the system has it, and is printed as `@name`. With `records`, the host is a name whose
 * records say where to go, and the port is for what says none; 0 where there is no such.
 */
export type Place =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number; readonly records?: ServiceLookup }
  | { readonly kind: "unix"; readonly path: string };

/** Which records of a name lead to its servers; of NAPTR records those of one service, or of any. */
export type ServiceLookup = { readonly kind: "srv" } | { readonly kind: "naptr"; readonly service: string };

export type LinkTransport = "tcp" | "tls" | "ws" | "wss" | "unix";

export interface LinkAddress {
  readonly transport: LinkTransport;
  readonly place: Place;
  /** Path of the upgrade request, `/` unless the URL says otherwise; empty for what is no websocket. */
  readonly path: string;
  /** The normalised URL, for people and logs. */
  readonly url: string;
}

export interface TargetAddress {
  readonly scheme: "http" | "https" | "h2c" | "tcp" | "tls" | "unix" | "udp";
  /** What crosses a link for it: HTTP/1.1 for http, https and h2c (over unix sockets too), datagrams for udp, else raw bytes. */
  readonly protocol: StreamProtocol;
  readonly place: Place;
  readonly url: string;
}

export interface ListenerAddress {
  /** `tls` is passed through by the name that clients ask for; `https` is decrypted. */
  readonly scheme: "http" | "https" | "tcp" | "tls" | "unix" | "udp";
  /** What sessions carry: `http/1.1` for http and https, `udp` for udp, else `tcp`. */
  readonly protocol: StreamProtocol;
  readonly place: Place;
  readonly url: string;
}

interface UrlForm {
  readonly example: string;
  readonly schemes: readonly string[];
  /** What a text without a scheme means. */
  readonly bareScheme: string;
  /** Listening allows port 0 and every interface. */
  readonly listens: boolean;
  readonly pathSchemes: readonly string[];
  /** Schemes that may be spoken over a unix socket: `http+unix:///path`. */
  readonly unixSchemes: readonly string[];
}

const LINK_ACCEPT: UrlForm = {
  example: "tcp://0.0.0.0:8000",
  schemes: ["tcp", "unix"],
  bareScheme: "tcp",
  listens: true,
  pathSchemes: [],
  unixSchemes: [],
};

const LINK_DIAL: UrlForm = {
  example: "tcp://router.example.com:8000 or wss://router.example.com",
  schemes: ["tcp", "tls", "ws", "wss", "unix"],
  bareScheme: "tcp",
  listens: false,
  pathSchemes: ["ws", "wss"],
  unixSchemes: [],
};

const TARGET: UrlForm = {
  example: "http://127.0.0.1:3000 or tcp://127.0.0.1:5432",
  schemes: ["http", "https", "h2c", "tcp", "tls", "unix", "udp"],
  bareScheme: "http",
  listens: false,
  pathSchemes: [],
  unixSchemes: ["http", "h2c"],
};

const LISTENER: UrlForm = {
  example: "http://0.0.0.0:8001",
  schemes: ["http", "https", "tcp", "tls", "unix", "udp"],
  bareScheme: "http",
  listens: true,
  pathSchemes: [],
  unixSchemes: [],
};

/** Where links are accepted: `tcp://HOST:PORT`, `:PORT`, `PORT` of 127.0.0.1, `unix:///path` or `unix:@name`. One tcp port takes raw, websocket and TLS links. */
export function parseLinkListenerAddress(text: string): LinkAddress {
  const scheme = /^(tls|wss?):\/\//i.exec(text)?.[1];
  if (scheme !== undefined) {
    throw invalid(LINK_ACCEPT, text, `use tcp:// instead of ${scheme}://: one port takes raw, websocket and TLS links`);
  }
  const { place, url } = parseUrl(text, LINK_ACCEPT);
  return { transport: place.kind, place, path: "", url };
}

/** A node to keep links to: `tcp`, `tls`, `ws`, `wss` or `unix`; a port alone is one of 127.0.0.1. */
export function parseLinkAddress(text: string): LinkAddress {
  const { scheme, place, path, url } = parseUrl(text, LINK_DIAL);
  return { transport: scheme as LinkTransport, place, path, url };
}

/** An app: `http://`, `https://`, `tcp://`, `tls://` or `udp://HOST:PORT`, `unix:///path`, `unix:@name`, `http+unix:///path`; without a scheme it is http, a port alone is one of 127.0.0.1. */
export function parseTargetAddress(text: string): TargetAddress {
  const { scheme, place, url } = parseUrl(text, TARGET);
  return { scheme: scheme as TargetAddress["scheme"], protocol: protocolOf(scheme), place, url };
}

/** Where clients come in: `http://`, `https://`, `tcp://`, `tls://` or `udp://HOST:PORT`, `unix:///path`, `unix:@name`; without a scheme it is http, a port alone is one of 127.0.0.1, `:PORT` is every interface. */
export function parseListenerAddress(text: string): ListenerAddress {
  const { scheme, place, url } = parseUrl(text, LISTENER);
  return { scheme: scheme as ListenerAddress["scheme"], protocol: protocolOf(scheme), place, url };
}

function protocolOf(scheme: string): StreamProtocol {
  if (scheme === "udp") return "udp";
  return scheme === "http" || scheme === "https" || scheme === "h2c" ? "http/1.1" : "tcp";
}

/** `HOST:PORT` with brackets round an IPv6 host, the path of a unix socket, or `@name`. */
export function formatPlace(place: Place): string {
  if (place.kind === "unix") return isAbstract(place) ? `@${place.path.slice(1)}` : place.path;
  const host = place.host.includes(":") ? `[${place.host}]` : place.host;
  return place.records !== undefined && place.port === 0 ? host : `${host}:${place.port}`;
}

/**
 * The name that a server's certificate must hold. Records are not what vouches for a server, so where they name it, it is the
 * domain that was asked about: `example.com` of `_web._tcp.example.com`.
 */
export function certificateName(place: Place): string {
  if (place.kind === "unix") return "localhost";
  return place.records === undefined ? place.host : place.host.replace(/^(_[^.]+\.)+/, "");
}

/** `unix:///path` or `unix:@name`. */
export function formatUnixUrl(place: Place): string {
  return `${isAbstract(place) ? "unix:" : "unix://"}${formatPlace(place)}`;
}

/** True for a unix socket that has a name instead of a file. */
export function isAbstract(place: Place): boolean {
  return place.kind === "unix" && place.path.startsWith("\0");
}

/** True for hosts that only this machine can reach: localhost, 127.0.0.0/8, ::1 and its mapped forms. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase();
  if (name === "localhost" || name.endsWith(".localhost") || name === "::1" || name === "0:0:0:0:0:0:0:1") return true;
  return isIpv4(name.startsWith("::ffff:") ? name.slice(7) : name) && /^(::ffff:)?127\./.test(name);
}

/** True for a place that only this machine can reach; who it is there, a unix socket's file says, and nothing else does. */
export function isLocalPlace(place: Place): boolean {
  return place.kind === "unix" || isLoopback(place.host);
}

interface ParsedUrl {
  readonly scheme: string;
  readonly place: Place;
  readonly path: string;
  readonly url: string;
}

function parseUrl(text: string, form: UrlForm): ParsedUrl {
  if (text === "") throw invalid(form, text, "it is empty");
  // oxlint-disable-next-line no-control-regex
  if (/[\u0000-\u0020\u007f]/.test(text)) throw invalid(form, text, "it contains a space or a control character");
  const [written, rest, isExplicit] = splitScheme(text, form);
  const [, kind, scheme = written] = /^(srv|naptr)\+(.*)$/.exec(written) ?? [];
  if (kind !== undefined && (form.listens || scheme === "unix"))
    throw invalid(form, text, `${written}:// is for what is dialled by a name`);
  const overUnix = scheme.endsWith("+unix") ? scheme.slice(0, -"+unix".length) : undefined;
  if (overUnix !== undefined && form.unixSchemes.includes(overUnix)) {
    const place = parseUnixPlace(rest, text, form);
    return { scheme: overUnix, place, path: "", url: `${overUnix}+${formatUnixUrl(place)}` };
  }
  if (!form.schemes.includes(scheme)) {
    throw invalid(form, text, `${scheme}:// is not one of ${form.schemes.map((name) => `${name}://`).join(", ")}`);
  }
  if (scheme === "unix") {
    const place = parseUnixPlace(rest, text, form);
    return { scheme, place, path: "", url: formatUnixUrl(place) };
  }
  const slash = rest.search(/[/?#]/);
  const authority = slash < 0 ? rest : rest.slice(0, slash);
  let tail = slash < 0 ? "" : rest.slice(slash);
  let records: ServiceLookup | undefined;
  if (kind === "srv") records = { kind };
  if (kind === "naptr") {
    records = { kind, service: naptrService(tail, text, form) };
    tail = "";
  }
  if (authority.includes("@")) throw invalid(form, "", "credentials do not belong in a URL; use a token file");
  const takesPath = form.pathSchemes.includes(scheme);
  if (tail.includes("#")) throw invalid(form, text, "nothing may follow a # here");
  if (!takesPath && tail !== "" && tail !== "/")
    throw invalid(form, text, `nothing may follow the port, but ${tail} does`);
  if (takesPath && tail.startsWith("?")) throw invalid(form, text, "a path starts with /");
  const usualPort = isExplicit ? DEFAULT_PORTS[scheme] : undefined;
  const place =
    records === undefined
      ? parseAuthority(authority, usualPort, text, form)
      : parseRecordName(authority, usualPort ?? 0, records, text, form);
  const path = takesPath ? tail || "/" : "";
  const service = records?.kind === "naptr" && records.service !== "" ? `?service=${records.service}` : "";
  return { scheme, place, path, url: `${written}://${formatPlace(place)}${path === "/" ? "" : path}${service}` };
}

/** SRV records have the port in them; of NAPTR records those that lead to a host have none. */
function parseRecordName(
  authority: string,
  usualPort: number,
  records: ServiceLookup,
  text: string,
  form: UrlForm,
): Place {
  const [host, digits] = authority.split(":", 2);
  const name = authority.includes("[") ? "" : parseHost(host ?? "", text, form);
  if (name === "" || /^[\d.]+$/.test(name)) throw invalid(form, text, "a name with records is no address");
  if (records.kind === "srv") {
    if (digits !== undefined) throw invalid(form, text, "SRV records say the port, so the URL has none");
    return { kind: "tcp", host: name, port: 0, records };
  }
  if (digits === undefined) return { kind: "tcp", host: name, port: usualPort, records };
  return { ...parseAuthority(authority, undefined, text, form), records } as Place;
}

/** What stands behind the name in a NAPTR URL. */
function naptrService(tail: string, text: string, form: UrlForm): string {
  const match = /^\/?(?:\?service=([a-z0-9][a-z0-9+:._-]*))?$/i.exec(tail);
  if (match === null) throw invalid(form, text, "of NAPTR records a URL says at most ?service=NAME");
  return match[1] ?? "";
}

function parseUnixPlace(rest: string, text: string, form: UrlForm): Place {
  const abstract = rest.startsWith("@");
  if (!abstract && !rest.startsWith("/")) {
    const forms = "as in unix:///run/app.sock, or a name, as in unix:@app";
    throw invalid(form, text, `a unix socket needs an absolute path, ${forms}`);
  }
  if (rest === "@") throw invalid(form, text, "the name of the abstract unix socket is missing");
  // The kernel's limit on sun_path, less the zero byte that ends a path or begins a name.
  if (Buffer.byteLength(rest) > (abstract ? 108 : 107)) {
    const what = abstract ? "the name of an abstract unix socket" : "the path of a unix socket";
    throw invalid(form, text, `${what} has at most 107 bytes`);
  }
  return { kind: "unix", path: abstract ? `\0${rest.slice(1)}` : rest };
}

/** The last part says whether the scheme was written. */
function splitScheme(text: string, form: UrlForm): readonly [string, string, boolean] {
  const match = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/i.exec(text);
  if (match?.[1] !== undefined && match[2] !== undefined) return [match[1].toLowerCase(), match[2], true];
  // A port behind it makes it a host of that name.
  const unix = /^((?:[a-z0-9]+\+)?unix):(?!\d+$)(.*)$/i.exec(text);
  if (unix?.[1] !== undefined && unix[2] !== undefined) return [unix[1].toLowerCase(), unix[2], true];
  // For listeners as for targets: what nobody asked to be reachable from elsewhere is not.
  if (/^\d+$/.test(text)) return [form.bareScheme, `127.0.0.1:${text}`, false];
  if (text.includes("//") || text.startsWith("/")) throw invalid(form, text, "the scheme is missing");
  return [form.bareScheme, text, false];
}

const DEFAULT_PORTS: Readonly<Record<string, number>> = { http: 80, https: 443, ws: 80, wss: 443 };

function parseAuthority(authority: string, usualPort: number | undefined, text: string, form: UrlForm): Place {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(.*))?$/.exec(authority);
  if (match === null) throw invalid(form, text, "the brackets do not match");
  const extra = match[1] === undefined && match[3]?.includes(":") === true;
  if (extra) throw invalid(form, text, "an IPv6 host needs brackets, as in [::1]:8000");
  const host = match[1] === undefined ? parseHost(match[2] ?? "", text, form) : parseIpv6(match[1], text, form);
  const digits = match[3];
  // A listener's port is part of what it is; only what is dialled may rely on a scheme's usual port.
  const fallback = form.listens ? undefined : usualPort;
  if (digits === undefined && fallback !== undefined) return { kind: "tcp", host, port: fallback };
  if (digits === undefined || digits === "") throw invalid(form, text, "the port is missing");
  const port = /^\d{1,5}$/.test(digits) ? Number(digits) : Number.NaN;
  const least = form.listens ? 0 : 1;
  if (!(port >= least && port <= 65_535))
    throw invalid(form, text, `a port is a number from ${least} to 65535, not ${digits}`);
  return { kind: "tcp", host, port };
}

function parseHost(host: string, text: string, form: UrlForm): string {
  if (host === "" || host === "*") {
    if (form.listens) return "";
    throw invalid(form, text, "the host is missing");
  }
  if (/^[\d.]+$/.test(host)) {
    if (!isIpv4(host)) throw invalid(form, text, `${host} is not an IPv4 address`);
    return host;
  }
  const labels = host.endsWith(".") ? host.slice(0, -1).split(".") : host.split(".");
  if (host.length > 253 || !labels.every((label) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(label))) {
    throw invalid(form, text, `${JSON.stringify(host)} is not a host name`);
  }
  return host.toLowerCase();
}

function parseIpv6(host: string, text: string, form: UrlForm): string {
  if (!isIpv6(host)) throw invalid(form, text, `${JSON.stringify(host)} is not an IPv6 address`);
  return host.toLowerCase();
}

function isIpv4(text: string): boolean {
  const parts = text.split(".");
  return parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255);
}

function isIpv6(text: string): boolean {
  const zone = text.indexOf("%");
  if (zone >= 0 && !/^%[a-z0-9._-]+$/i.test(text.slice(zone))) return false;
  const address = zone < 0 ? text : text.slice(0, zone);
  const halves = address.split("::");
  if (halves.length > 2) return false;
  const groups = halves.flatMap((half) => (half === "" ? [] : half.split(":")));
  const last = groups.at(-1);
  const mapped = last !== undefined && last.includes(".") && !address.endsWith("::");
  if (mapped && !isIpv4(last)) return false;
  const plain = mapped ? groups.slice(0, -1) : groups;
  if (!plain.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return false;
  const count = plain.length + (mapped ? 2 : 0);
  return halves.length === 2 ? count < 8 : count === 8;
}

function invalid(form: UrlForm, text: string, why: string): PolarityError {
  const given = text === "" ? "" : ` (got ${text})`;
  return new PolarityError("ADDRESS_INVALID", `expected a URL such as ${form.example}: ${why}${given}`);
}
