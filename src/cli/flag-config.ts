/**
 * Turns the flags of `router`, `connect`, `forward` and `dial` into a configuration, through the same schema as the file.
 * A problem is reported under the flag that brought it.
 */
import { resolve } from "node:path";
import { parseListenerAddress } from "../base/address.ts";
import type { AnalyzeArgument, ListenArgument, TargetArgument } from "../base/argument.ts";
import { PolarityError } from "../base/errors.ts";
import type { ConfigOverrides } from "../config/file.ts";
import type { NodeConfig } from "../config/node-config.ts";
import type { ConfigPath } from "../config/problems.ts";
import { formatPath } from "../config/problems.ts";
import { defaultNodeName, resolveConfig } from "../config/resolution.ts";
import type { ConnectFlags, DialFlags, ForwardFlags, NodeFlags, RouterFlags } from "./command-flags.ts";

const DEFAULT_LINK = "tcp://127.0.0.1:8000";
const DEFAULT_LISTENER = "http://127.0.0.1:8001";

/** `warnings` gets what an operator may not have meant; so it is with the others. */
export function routerConfig(flags: RouterFlags, warnings: string[] = []): NodeConfig {
  if ((flags.tlsCert === undefined) !== (flags.tlsKey === undefined)) {
    throw new PolarityError("USAGE", "--tls-cert and --tls-key need each other");
  }
  if (flags.clientCa !== undefined && flags.tlsCert === undefined) {
    throw new PolarityError("USAGE", "--client-ca needs --tls-cert and --tls-key");
  }
  const tls =
    flags.tlsCert === undefined ? undefined : { cert: flags.tlsCert, key: flags.tlsKey, clientCa: flags.clientCa };
  const auth = flags.tokensFile === undefined ? undefined : { tokensFile: flags.tokensFile };
  const relay = flags.relay !== false;
  const links = given(flags.link)?.map(({ url }) => url) ?? [DEFAULT_LINK];
  return resolveFlags(
    {
      ...nodeSections(flags),
      links: {
        accept: links.map((url) => ({
          url,
          tls,
          auth,
          insecure: flags.insecure === true,
          relay,
          cranker: flags.cranker === true,
        })),
        // A router that names no other is not dialled.
        dial: given(flags.router) === undefined ? [] : dialsOf(flags).map((dial) => ({ ...dial, relay })),
      },
      listeners: analyzed(flags.analyze, listenersOf(given(flags.listen))),
    },
    warnings,
  );
}

export function connectConfig(
  targets: readonly TargetArgument[],
  flags: ConnectFlags,
  warnings: string[] = [],
): NodeConfig {
  const named = new Set<string>();
  for (const { service } of targets) {
    if (named.has(service)) {
      throw new PolarityError("USAGE", `the service ${JSON.stringify(service)} has two targets; one is possible`);
    }
    named.add(service);
  }
  const list = targets.map(({ service, address }) => ({ service, target: address.url, weight: flags.weight }));
  const services = analyzed(flags.analyze, list).map(({ service, ...settings }) => [service, settings] as const);
  return resolveFlags(
    {
      ...nodeSections(flags),
      links: { dial: dialsOf(flags) },
      services: Object.fromEntries(services),
    },
    warnings,
  );
}

export function forwardConfig(
  listeners: readonly ListenArgument[],
  flags: ForwardFlags,
  warnings: string[] = [],
): NodeConfig {
  return resolveFlags(
    {
      ...nodeSections(flags),
      links: { dial: dialsOf(flags) },
      listeners: analyzed(flags.analyze, listenersOf(listeners)),
    },
    warnings,
  );
}

export function dialConfig(flags: DialFlags, warnings: string[] = []): NodeConfig {
  return resolveFlags({ ...nodeSections(flags), links: { dial: dialsOf(flags) } }, warnings);
}

/** `listen` and `forward`: URLs. */
export function fooProxyConfig(
  flags: NodeFlags,
  {
    listen,
    forward,
    recoveryPath,
  }: { readonly listen: string; readonly forward: string; readonly recoveryPath: string },
  warnings: string[] = [],
): NodeConfig {
  return resolveFlags(
    {
      ...nodeSections(flags),
      services: { foo: { target: forward } },
      // Clients end conversations, whether the server answers that or not.
      listeners: [{ url: listen, service: "foo", analyze: "foo", limits: { halfCloseTimeout: "1s" } }],
      analysis: { recoveryPath },
    },
    warnings,
  );
}

/** What flags and the environment change in a configuration file: they come before it. */
export function fileOverrides(flags: NodeFlags): ConfigOverrides {
  return nodeSections(flags);
}

/** A repeatable flag whose variable is set to blanks is as if it were not given. */
function given<Value>(values: readonly Value[] | undefined): readonly Value[] | undefined {
  return values === undefined || values.length === 0 ? undefined : values;
}

function nodeSections(flags: NodeFlags): Record<string, Record<string, unknown>> {
  const { admin, adminTokenFile } = flags;
  if (admin === undefined && adminTokenFile !== undefined) {
    throw new PolarityError("USAGE", "--admin-token-file needs --admin");
  }
  return {
    node: { name: flags.name, drainDelay: flags.drainDelay, drainTimeout: flags.drainTimeout },
    log: { level: flags.logLevel, format: flags.logFormat },
    ...(flags.stateFolder === undefined ? {} : { state: { folder: resolve(flags.stateFolder) } }),
    ...(admin === undefined ? {} : { admin: { url: admin, tokenFile: adminTokenFile } }),
  };
}

function dialsOf(flags: DialFlags): readonly Record<string, unknown>[] {
  const routers = given(flags.router) ?? [undefined];
  // A token in the environment is a secret in the environment; a flag for it would show it to every user of the machine.
  const token = flags.tokenFile === undefined ? process.env["POLARITY_TOKEN"] : undefined;
  return routers.map((router) => ({
    url: router?.address.url ?? DEFAULT_LINK,
    cost: router?.cost ?? flags.cost,
    links: router?.links ?? flags.links,
    token,
    tokenFile: flags.tokenFile,
    tls: { ca: flags.ca, cert: flags.cert, key: flags.key },
  }));
}

function listenersOf(
  listeners: readonly ListenArgument[] = [{ address: parseListenerAddress(DEFAULT_LISTENER), service: undefined }],
) {
  return listeners.map(({ address, service }) => ({
    url: address.url,
    service: service?.service,
    node: service?.node,
  }));
}

/** With `analyze` where a flag names the service. */
function analyzed<Place extends { readonly service: string | undefined }>(
  analyzers: readonly AnalyzeArgument[] = [],
  places: readonly Place[],
) {
  for (const { service } of analyzers) {
    if (places.some((place) => place.service === service)) continue;
    throw new PolarityError("USAGE", `--analyze: nothing here has the service ${JSON.stringify(service)} by that name`);
  }
  return places.map((place) => ({
    ...place,
    analyze: analyzers.findLast(({ service }) => service === place.service)?.analyzer,
  }));
}

function resolveFlags(raw: Record<string, unknown>, warnings: string[]): NodeConfig {
  const resolution = resolveConfig(raw, { folder: process.cwd(), defaultName: defaultNodeName() });
  if (resolution.kind === "resolved") {
    // Files that serve several links are told of once.
    warnings.push(...new Set(resolution.warnings));
    return resolution.config;
  }
  const lines = resolution.problems.map(({ path, message }) => `${flagOf(path)}: ${message}`);
  // Files that serve several links are reported once.
  throw new PolarityError("CONFIG_INVALID", [...new Set(lines)].join("\n"));
}

/** Most particular first. */
const FLAGS: readonly (readonly [RegExp, string])[] = [
  [/^links\.accept.*\.tls\.cert$/, "--tls-cert"],
  [/^links\.accept.*\.tls\.key$/, "--tls-key"],
  [/^links\.accept.*\.clientCa$/, "--client-ca"],
  [/^links\.accept.*\.tokensFile$/, "--tokens-file"],
  [/^links\.accept/, "--link"],
  [/^links\.dial.*\.tls\.ca$/, "--ca"],
  [/^links\.dial.*\.tls\.cert$/, "--cert"],
  [/^links\.dial.*\.tls\.key$/, "--key"],
  [/^links\.dial.*\.tls$/, "--ca, --cert, --key"],
  [/^links\.dial.*\.tokenFile$/, "--token-file"],
  [/^links\.dial.*\.token$/, "$POLARITY_TOKEN"],
  [/^links\.dial.*\.cost$/, "--cost"],
  [/^links\.dial.*\.links$/, "--links"],
  [/^links\.dial/, "--router"],
  [/^(?:listeners|services).*\.analyze$/, "--analyze"],
  [/^listeners/, "--listen"],
  [/^analysis/, "--recovery-path"],
  [/^services.*\.weight$/, "--weight"],
  [/^admin\.tokenFile/, "--admin-token-file"],
  [/^admin/, "--admin"],
  [/^state/, "--state-folder"],
  [/^node\.name/, "--name"],
  [/^node\.drainDelay/, "--drain-delay"],
  [/^node\.drainTimeout/, "--drain-timeout"],
];

function flagOf(path: ConfigPath): string {
  const text = formatPath(path);
  return FLAGS.find(([pattern]) => pattern.test(text))?.[1] ?? text;
}
