/** `foo-proxy`: the Foo Protocol Proxy in its own words, as a node with one listener, one service and one analyzer. */
import { type ListenerAddress, parseListenerAddress, parseTargetAddress, type TargetAddress } from "../base/address.ts";
import { PolarityError } from "../base/errors.ts";
import { type FooEndpoints, fooFigures, startFooEndpoints } from "../admin/foo-endpoints.ts";
import type { NodeConfig } from "../config/node-config.ts";
import { NameResolver } from "../socket/name-resolver.ts";
import { checkHealth } from "../target/health-check.ts";
import type { Statistics } from "../analyze/meters.ts";
import type { FooProxyFlags } from "./command-flags.ts";
import { fooProxyConfig } from "./flag-config.ts";
import { loadedFlags } from "./loaded-flags.ts";
import { type NodeFace, runNode } from "./node-runner.ts";
import type { RunningNode } from "./running-node.ts";

const DEFAULTS = { listen: ":8002", forward: ":8001", http: "0.0.0.0:8088", recoveryPath: ".data/recovery.json" };

/** How long finding out whether the server is there may take. */
const PROBE_TIMEOUT_MS = 2_000;

type Environment = Readonly<Record<string, string | undefined>>;

export function runFooProxy(flags: FooProxyFlags, environment: Environment): Promise<number> {
  const from = (flag: string | undefined, variable: string, byDefault: string): string =>
    flag ?? (environment[variable] || byDefault);
  const listen = listenAddress(from(flags.listen, "LISTENING_PORT", DEFAULTS.listen));
  const forward = forwardAddress(from(flags.forward, "FORWARDING_PORT", DEFAULTS.forward));
  const face = httpAddress(from(flags.http, "HTTP_ADDRESS", DEFAULTS.http));
  const recoveryPath = from(flags.recoveryPath, "RECOVERY_PATH", DEFAULTS.recoveryPath);
  const load = () =>
    loadedFlags((warnings) =>
      fooProxyConfig(flags, { listen: listen.url, forward: forward.url, recoveryPath }, warnings),
    );
  const loaded = load();
  return runNode({ loaded, load, fromFlags: true, face: new FooFace(face, forward, loaded.config) });
}

class FooFace implements NodeFace {
  readonly #address: ListenerAddress;
  readonly #forward: TargetAddress;
  readonly #names: NameResolver;
  #endpoints: FooEndpoints | undefined;
  #probe: Promise<string | undefined> | undefined;

  constructor(address: ListenerAddress, forward: TargetAddress, { resolver }: NodeConfig) {
    this.#address = address;
    this.#forward = forward;
    this.#names = new NameResolver({ ...resolver, random: Math.random, now: () => performance.now() });
  }

  async start(node: RunningNode): Promise<string> {
    const source = { statistics: () => statisticsOf(node), unreachable: () => this.#unreachable() };
    this.#endpoints = await startFooEndpoints(this.#address, source);
    return this.#endpoints.address;
  }

  async stop(): Promise<void> {
    await this.#endpoints?.close();
  }

  statisticsLine(node: RunningNode): string {
    return JSON.stringify(fooFigures(statisticsOf(node)));
  }

  /** Who asks while the server is being tried shares the answer. */
  #unreachable(): Promise<string | undefined> {
    this.#probe ??= checkHealth({
      address: this.#forward,
      tls: undefined,
      names: this.#names,
      http2: false,
      path: undefined,
      timeoutMs: PROBE_TIMEOUT_MS,
      proxyProtocol: "none",
    })
      .then((failure) => (failure === undefined ? undefined : `${this.#forward.url}: ${failure}`))
      .finally(() => (this.#probe = undefined));
    return this.#probe;
  }
}

function statisticsOf(node: RunningNode): Statistics {
  return node.analyses().find(({ analyzer }) => analyzer === "foo")?.statistics ?? {};
}

/** `:8002`, `8002`, `HOST:PORT` or a URL; a port alone is one of every interface, as the original takes it. */
function listenAddress(text: string): ListenerAddress {
  const address = parseListenerAddress(withScheme("tcp", /^\d+$/.test(text) ? `:${text}` : text));
  if (address.scheme === "tcp" || address.scheme === "unix") return address;
  throw new PolarityError("USAGE", `--listen: expected a port such as :8002, not ${text}`);
}

/** `:8001` and `8001` are ports of 127.0.0.1. */
function forwardAddress(text: string): TargetAddress {
  const port = /^:?(\d+)$/.exec(text)?.[1];
  const address = parseTargetAddress(withScheme("tcp", port === undefined ? text : `127.0.0.1:${port}`));
  if (address.scheme === "tcp" || address.scheme === "unix") return address;
  throw new PolarityError("USAGE", `--forward: expected a port such as :8001, or HOST:PORT, not ${text}`);
}

function httpAddress(text: string): ListenerAddress {
  const address = parseListenerAddress(withScheme("http", /^\d+$/.test(text) ? `:${text}` : text));
  if (address.scheme === "http" || address.scheme === "unix") return address;
  throw new PolarityError("USAGE", `--http: expected an address such as 0.0.0.0:8088, not ${text}`);
}

function withScheme(scheme: string, text: string): string {
  return /:\/\/|^unix:/i.test(text) ? text : `${scheme}://${text}`;
}
