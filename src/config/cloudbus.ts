/**
 * Cloudbus's controller.ini and segment.ini as a node's configuration, through the same schema as the YAML file.
 *
 * A controller listens for clients and dials its segments; a segment accepts links and has one server for each service. A
 * service is found by its section's name, which is the same in both files.
 */
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { formatPlace } from "../base/address.ts";
import { PolarityError } from "../base/errors.ts";
import { type ConfigOverrides, type LoadedConfig, override } from "./file.ts";
import { type IniEntry, type IniSection, parseIni } from "./ini.ts";
import { formatPath } from "./problems.ts";
import { defaultNodeName, reasonOf, resolveConfig } from "./resolution.ts";

export type CloudbusRole = "controller" | "segment";

/** What the files cannot say: how links prove who they are. */
export interface CloudbusLinks {
  /** What a controller shows to its segments. */
  readonly token?: string | undefined;
  readonly tokenFile?: string | undefined;
  /** Whom a controller trusts to vouch for its segments, besides the system's authorities. */
  readonly ca?: string | undefined;
  /** Certificate chain of a segment, and its key. */
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  /** Who may link to a segment. */
  readonly tokensFile?: string | undefined;
  readonly insecure?: boolean | undefined;
}

export interface CloudbusConfig {
  /** In the shape of the YAML file. */
  readonly raw: Readonly<Record<string, unknown>>;
  readonly warnings: readonly string[];
  /** The line that a path of `raw` comes from. */
  readonly lines: ReadonlyMap<string, number>;
  /** The services that a controller's segments are to have, in the order of `links.dial`. */
  readonly expected: readonly (readonly string[])[];
}

export interface LoadedCloudbus extends LoadedConfig {
  /** The services that a controller's segments are to have, by the segment's address as links tell it. */
  readonly expected: ReadonlyMap<string, readonly string[]>;
}

/** What Cloudbus calls what records of a domain lead to. */
const LOOKUP = /^(srv|naptr|urn):(?!\/\/)(.*)$/i;
const URN = /^([a-z0-9][a-z0-9-]{0,30}[a-z0-9]):.+$/i;

const KEYS: ReadonlySet<string> = new Set(["bind", "server", "backend", "mode", "full_duplex"]);
const IGNORED = "cloudbus";
/** Who a controller's segments are, as owners of services. */
const SEGMENTS = "segments";

export function loadCloudbusFile(
  role: CloudbusRole,
  path: string,
  links: CloudbusLinks,
  overrides: ConfigOverrides,
  text = readIni(path),
): LoadedCloudbus {
  const file = path;
  const reading = new Reading();
  const raw = reading.file(role, text, links);
  const options = { folder: dirname(resolve(path)), defaultName: defaultNodeName() };
  const resolution = resolveConfig(override(raw, overrides), options);
  if (resolution.kind === "resolved" && reading.faults.length === 0) {
    const { config } = resolution;
    const { warnings, expected } = reading.checked(raw, file);
    const places = config.links.dial.map(
      ({ address }, index) => [formatPlace(address.place), expected[index]] as const,
    );
    return {
      config,
      file,
      reread: () => loadCloudbusFile(role, path, links, overrides, text),
      warnings: [...warnings, ...resolution.warnings],
      expected: new Map(places.flatMap(([place, services]) => (services === undefined ? [] : [[place, services]]))),
    };
  }
  const elsewhere: string[] = [];
  for (const { path: at, message } of resolution.kind === "resolved" ? [] : resolution.problems) {
    const line = lineOf(formatPath(at), reading.lines);
    if (line !== undefined) reading.fault(line, message);
    // What is no value of a line follows from what is wrong with the lines, where anything is.
    else elsewhere.push(`${file}: ${formatPath(at)}: ${message}`);
  }
  if (reading.faults.length === 0) throw new PolarityError("CONFIG_INVALID", elsewhere.join("\n"));
  throw reading.error(file);
}

export function readIni(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new PolarityError("FILE_UNREADABLE", `${path}: cannot read the configuration: ${reasonOf(error)}`, error);
  }
}

/** Throws CONFIG_INVALID with a line for each problem. */
export function parseCloudbus(
  role: CloudbusRole,
  text: string,
  file: string,
  links: CloudbusLinks = {},
): CloudbusConfig {
  const reading = new Reading();
  return reading.checked(reading.file(role, text, links), file);
}

function controller(sections: readonly IniSection[], reading: Reading, { token, tokenFile, ca }: CloudbusLinks) {
  const dials = new Map<string, { readonly line: number; readonly services: string[] }>();
  const listeners: unknown[] = [];
  for (const section of sections) {
    const { binds, servers, mode } = reading.service(section);
    for (const { value, line } of servers) {
      const dial = dials.get(value) ?? { line, services: [] };
      dials.set(value, dial);
      if (!dial.services.includes(section.name)) dial.services.push(section.name);
    }
    // Several servers are half duplex unless the file says otherwise; one is neither.
    const spread = servers.length > 1 ? (mode ?? "half-duplex") : "one";
    for (const { value, line } of binds) {
      reading.lines.set(`listeners[${listeners.length}]`, line);
      listeners.push({ url: value, service: section.name, mode: spread });
    }
  }
  const dial = [...dials].map(([url, { line, services }], index) => {
    reading.expected.push(services);
    reading.lines.set(`links.dial[${index}]`, line);
    const tls = ca !== undefined && /^(\w+\+)?(tls|wss):/i.test(url) ? { ca } : undefined;
    // The file names all of them, so what they offer has one owner, whatever their certificates say.
    return { url, identity: SEGMENTS, token, tokenFile, tls };
  });
  return { links: { dial }, listeners };
}

function segment(sections: readonly IniSection[], reading: Reading, links: CloudbusLinks) {
  const { tokensFile, insecure, tlsCert, tlsKey } = links;
  const binds = new Map<string, number>();
  const services: Record<string, unknown> = {};
  for (const section of sections) {
    const { binds: here, servers } = reading.service(section);
    const [server, second] = servers;
    if (second !== undefined) reading.fault(second.line, `a segment has one server, and [${section.name}] a second`);
    for (const { value, line } of here) if (!binds.has(value)) binds.set(value, line);
    if (server === undefined) continue;
    reading.lines.set(formatPath(["services", section.name]), server.line);
    services[section.name] = { target: server.value };
  }
  const auth = tokensFile === undefined ? undefined : { tokensFile };
  const tls = tlsCert === undefined && tlsKey === undefined ? undefined : { cert: tlsCert, key: tlsKey };
  const accept = [...binds].map(([url, line], index) => {
    reading.lines.set(`links.accept[${index}]`, line);
    return { url, tls, auth, insecure: insecure === true, relay: false };
  });
  return { links: { accept }, services };
}

/** What is found on the way through a file. */
class Reading {
  readonly faults: [number, string][] = [];
  readonly warnings: [number, string][] = [];
  readonly lines = new Map<string, number>();
  readonly expected: (readonly string[])[] = [];

  /** The shape of the YAML file, as far as it can be made out. */
  file(role: CloudbusRole, text: string, links: CloudbusLinks): CloudbusConfig["raw"] {
    const { sections, faults } = parseIni(text);
    for (const { line, message } of faults) this.fault(line, message);
    const services = this.#merged(sections.filter(({ name }) => name !== IGNORED));
    if (services.length === 0 && faults.length === 0) this.fault(1, "there is no [Service]");
    return role === "controller" ? controller(services, this, links) : segment(services, this, links);
  }

  /** Sections of one name are one. A name of a service has no blanks, so that those of a section become hyphens. */
  #merged(sections: readonly IniSection[]): readonly IniSection[] {
    const merged = new Map<string, IniSection & { readonly written: string }>();
    for (const section of sections) {
      const { line, entries } = section;
      const written = section.name.replaceAll(/\s+/g, " ");
      const name = written.replaceAll(" ", "-");
      const first = merged.get(name);
      if (first !== undefined && first.written !== written)
        this.fault(line, `[${written}] would be the same service as [${first.written}] of line ${first.line}`);
      const all = [...(first?.entries ?? []), ...entries];
      merged.set(name, { name, written, line: first?.line ?? line, entries: all });
    }
    return [...merged.values()];
  }

  /** Throws CONFIG_INVALID where there are faults. */
  checked(raw: CloudbusConfig["raw"], file: string): CloudbusConfig {
    if (this.faults.length > 0) throw this.error(file);
    const warnings = this.warnings.map(([line, message]) => `${file}:${line}: ${message}`);
    return { raw, lines: this.lines, warnings, expected: this.expected };
  }

  /** All faults, by line. */
  error(file: string): PolarityError {
    const inOrder = this.faults.toSorted((left, right) => left[0] - right[0]);
    const lines = inOrder.map(([line, message]) => `${file}:${line}: ${message}`);
    return new PolarityError("CONFIG_INVALID", [...new Set(lines)].join("\n"));
  }

  fault(line: number, message: string): void {
    this.faults.push([line, message]);
  }

  service({ name, line, entries }: IniSection) {
    for (const { key, line: at } of entries) {
      if (!KEYS.has(key)) this.warnings.push([at, `unknown key ${key} in [${name}]`]);
    }
    const binds = distinct(entries.filter(({ key }) => key === "bind"));
    const named = entries.filter(({ key }) => key === "server" || key === "backend");
    const servers = distinct(named.map((entry) => ({ ...entry, value: this.#address(entry) })));
    if (binds.length === 0) this.fault(line, `[${name}] has no bind`);
    if (servers.length === 0) this.fault(line, `[${name}] has no server`);
    return { binds, servers, mode: this.#mode(entries) };
  }

  /** As the YAML file has it. */
  #address({ value, line }: IniEntry): string {
    const [, kind = "", rest = ""] = LOOKUP.exec(value) ?? [];
    if (kind === "") return value;
    if (kind.toLowerCase() !== "urn") return `${kind.toLowerCase()}+tcp://${rest}`;
    const namespace = URN.exec(rest)?.[1];
    if (namespace === undefined) this.fault(line, `expected urn:NAMESPACE:NAME, not ${value}`);
    // RFC 3404: the records of a URN's namespace are those of its name in urn.arpa; Cloudbus asks for NAMESPACE.urn.
    return `naptr+tcp://${(namespace ?? "").toLowerCase()}.urn`;
  }

  #mode(entries: readonly IniEntry[]): "half-duplex" | "full-duplex" | undefined {
    let mode: "half-duplex" | "full-duplex" | undefined;
    for (const { key, value, line } of entries) {
      if (key !== "mode" && key !== "full_duplex") continue;
      const said = (key === "mode" ? MODES : SWITCHES).get(value.toLowerCase().replaceAll(/[\s_-]+/g, " "));
      if (said === undefined) {
        const expected = key === "mode" ? "half duplex or full duplex" : "yes or no";
        this.fault(line, `${key}: expected ${expected}, not ${value}`);
      }
      mode = said;
    }
    return mode;
  }
}

/** A line that is there twice says nothing new. */
function distinct(entries: readonly IniEntry[]): readonly IniEntry[] {
  return entries.filter(({ value }, index) => entries.findIndex((other) => other.value === value) === index);
}

const MODES = new Map([
  ["half duplex", "half-duplex"],
  ["half", "half-duplex"],
  ["full duplex", "full-duplex"],
  ["full", "full-duplex"],
] as const) as ReadonlyMap<string, "half-duplex" | "full-duplex">;

const SWITCHES: ReadonlyMap<string, "half-duplex" | "full-duplex"> = new Map([
  ...["yes", "true", "on", "1"].map((word) => [word, "full-duplex"] as const),
  ...["no", "false", "off", "0"].map((word) => [word, "half-duplex"] as const),
]);

/** The nearest known place above a path. */
function lineOf(path: string, lines: ReadonlyMap<string, number>): number | undefined {
  let best = "";
  for (const known of lines.keys()) if (path.startsWith(known) && known.length > best.length) best = known;
  return lines.get(best);
}
