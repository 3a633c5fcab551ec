/**
 * How programs write which service they mean: `machine.service`.
 *
 * The machine stands before the first dot, the rest is the service: `phone0.a.b` is service `a.b` of node `phone0`. A leading
 * dot names no machine: `.web` is service `web` of whichever node offers it. A port is passed over.
 *
 * Services may have any name. What names on links cannot hold (blanks, control characters) is percent-encoded there, so that
 * `my service` and `my%20service` are one name. URLs hold less: there `=20` stands for what `%20` is elsewhere, because
 * URL parsers refuse the latter in a host.
 */
import { domainToUnicode } from "node:url";
import { inspect } from "node:util";
import { checkNodeName, checkServiceName } from "../base/argument.ts";
import { messageOf, PolarityError } from "../base/errors.ts";

/** A service, of one machine (node) where that is given. */
export interface ServiceAddress {
  /** The node's name; undefined: any node that offers the service. */
  readonly machine: string | undefined;
  readonly service: string;
}

const FORM = "expected machine.service such as phone0.web, or .web for any machine";

/** Reads `machine.service`, percent-encoded or not. Throws ADDRESS_INVALID. */
export function parseServiceAddress(text: string): ServiceAddress {
  if (typeof text !== "string") throw new PolarityError("ADDRESS_INVALID", `${FORM} (got ${inspect(text)})`);
  return split(text.replace(/:\d{1,5}$/, ""), decodePercent);
}

/** Reads the host of a URL. Throws ADDRESS_INVALID. */
export function parseServiceHost(host: string): ServiceAddress {
  const name = host.replace(/:\d{0,5}$/, "");
  return split(name.includes("xn--") ? domainToUnicode(name) : name, (part) =>
    decodeBytes(part, /(?:[%=][0-9a-f]{2})+/gi),
  );
}

/** The host under which URLs name a service; all of its characters survive URL parsers and HTTP's Host field. */
export function serviceHost({ machine, service }: ServiceAddress): string {
  checked(() => wireServiceName(service));
  const name = service.replaceAll(/(?:%[0-9a-f]{2})+/gi, unlessNeeded);
  const node = machine === undefined ? "" : checked(() => checkNodeName(machine));
  const labels = name.split(".");
  const last = labels.length - 1;
  const encoded = labels.map((label, at) => {
    // A host whose last label is a number is an address to URL parsers, and `xn--` begins a name in Punycode.
    const odd = label.startsWith("xn--") || (at === last && /^(?:\d+|0x[0-9a-f]*)$/i.test(label));
    const rest = encodeLabel(odd ? label.slice(1) : label);
    return odd ? escapeByte(label.charCodeAt(0)) + rest : rest;
  });
  // An empty label would end the host, or be lost.
  return `${encodeLabel(node)}.${encoded.join(".").replace(/^\.|\.(?=\.|$)/g, escapeByte(0x2e))}`;
}

/** The name that a service has on links, in configurations and in logs. Throws USAGE for an empty name or one of over 253 bytes. */
export function wireServiceName(name: string): string {
  if (typeof name !== "string")
    throw new PolarityError("USAGE", `expected the name of a service (got ${inspect(name)})`);
  // oxlint-disable-next-line no-control-regex
  return checkServiceName(name.replaceAll(/[\u0000-\u0020\u007f-\u00a0\u2028\u2029]/g, encodeURIComponent));
}

function split(text: string, decode: (part: string) => string): ServiceAddress {
  const dot = text.indexOf(".");
  if (dot < 0 || dot === text.length - 1) {
    throw new PolarityError("ADDRESS_INVALID", `${FORM} (got ${JSON.stringify(text)})`);
  }
  const machine = decode(text.slice(0, dot));
  const service = decode(text.slice(dot + 1));
  return checked(() => ({
    machine: dot === 0 ? undefined : checkNodeName(machine),
    service: wireServiceName(service),
  }));
}

function checked<Value>(read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    throw new PolarityError("ADDRESS_INVALID", messageOf(error), error);
  }
}

function decodePercent(part: string): string {
  return decodeBytes(part, /(?:%[0-9a-f]{2})+/gi);
}

/** Runs of escaped bytes that are not UTF-8 stay as they are. */
function decodeBytes(part: string, runs: RegExp): string {
  return part.replaceAll(runs, (run) => {
    const bytes = Buffer.from(run.replaceAll(/[%=]/g, ""), "hex");
    const decoded = bytes.toString("utf8");
    return Buffer.from(decoded).equals(bytes) ? decoded : run;
  });
}

/** What links would percent-encode is encoded in a host's own way. */
function unlessNeeded(run: string): string {
  const decoded = decodePercent(run);
  return wireServiceName(decoded) === run.toUpperCase() ? decoded : run;
}

/** Lower case, since URL parsers change the case of a host. */
function encodeLabel(label: string): string {
  return Array.from(Buffer.from(label), (byte) => {
    const character = String.fromCharCode(byte);
    return /[a-z0-9_-]/.test(character) ? character : escapeByte(byte);
  }).join("");
}

function escapeByte(byte: number): string {
  return `=${byte.toString(16).padStart(2, "0")}`;
}
