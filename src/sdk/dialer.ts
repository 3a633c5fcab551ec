/**
 * Dialling services from a program: machines by name, over links to routers that are shared, kept and dialled again.
 *
 * Each set of routers is one node inside of this program, started at the first dial that needs it.
 */
import type { Agent } from "node:http";
import { type Logger, silentLogger, systemClock } from "../base/clock.ts";
import { messageOf, PolarityError } from "../base/errors.ts";
import type { LinkDialInput } from "../config/node-config.ts";
import type { NodeObserver } from "../node/node-observer.ts";
import type { LinkView } from "../node/view.ts";
import { createNode, type PolarityNode } from "../node/node.ts";
import { type Channel, type ChannelAcceptor, type ChannelOptions } from "./channel.ts";
import { openChannel } from "./channel-opening.ts";
import type { ConnectOptions, HttpOptions } from "./connect-options.ts";
import { OwnedEmitter, type TypedEmitter } from "./emitter.ts";
import { checkOptions, checkUrls, configOf, invalid, shown } from "./node-input.ts";
import { type Connector, createConnector } from "./connector.ts";
import { DialerAgent } from "./dialer-agent.ts";
import { type DialRequest, DialRoute } from "./dial-route.ts";
import { createDispatcher, type FetchDispatcher } from "./dispatcher.ts";
import { parseServiceAddress, type ServiceAddress, serviceHost } from "./service-address.ts";
import { type ServiceStream, StreamDuplex } from "./stream-duplex.ts";
import { packageVersion } from "./version.ts";

/** Where to find a machine: the URL of a router that it is linked to, or of several. Undefined: unknown. */
export type Resolved = string | readonly string[] | undefined;

/** Finds the router of a machine: a map, or a function, which may take its time. */
export type MachineResolver =
  | Readonly<Record<string, string | readonly string[]>>
  | ReadonlyMap<string, string | readonly string[]>
  | ((machine: string, options: { readonly signal: AbortSignal }) => Resolved | Promise<Resolved>);

/** Which routers a dialer asks, who it is to them, and how long it waits. Give `routers`, `resolver` or both. */
export interface DialerOptions {
  /**
   * URLs of routers: `tcp://`, `tls://`, `ws://`, `wss://` or `unix:`. All of them are asked for a machine that no resolver
   * was given for.
   */
  readonly routers?: readonly string[];
  /** Who says which router a machine is linked to. With a resolver, a machine that it does not know is an error. */
  readonly resolver?: MachineResolver;
  /** The token to show to routers. */
  readonly token?: string;
  /** A file that holds it. */
  readonly tokenFile?: string;
  /** For `tls://` and `wss://` routers, as `links.dial.tls` of a configuration: paths of files. */
  readonly tls?: NonNullable<LinkDialInput["tls"]>;
  /** What the links cost, told to the routers. Default 0. */
  readonly cost?: number;
  /** Links to keep to each router. Default 1. */
  readonly links?: number;
  /** What routers call this program. Default: the host's name. */
  readonly name?: string;
  /** Milliseconds that a dial may take. Default 5000, at most 60000. */
  readonly timeoutMs?: number;
  /** Default: no log. */
  readonly logger?: Logger;
}

/** What a dialer tells of its links: the names of its events, and what their listeners are called with. */
export interface DialerEvents {
  /** A link to a router is there. */
  linkUp: [LinkView];
  /** It has ended. While the dialer is open, it is dialled again by itself. */
  linkDown: [{ readonly link: LinkView; readonly error: PolarityError }];
  /** An attempt to link to a router failed; it is repeated by itself. */
  dialFailed: [{ readonly url: string; readonly error: PolarityError }];
  /** All dials, streams and links have ended. */
  closed: [];
}

/** Reaches services by name. Everything that it opens shares its links. A `node:events` EventEmitter. */
export interface Dialer extends TypedEmitter<DialerEvents> {
  /**
   * Opens a stream to `machine.service`; resolves when somebody was found who serves it. Rejects with a PolarityError:
   * ADDRESS_INVALID, MACHINE_UNKNOWN, NO_OFFER, DIAL_TIMEOUT, LINK_UNREACHABLE, AUTH_FAILED, NODE_STOPPED; or with the reason
   * of the signal.
   */
  connect(service: string | ServiceAddress, options?: ConnectOptions): Promise<ServiceStream>;
  /** As `connect`, but at once: what is written leaves with the dial. Emits `connect`, or `error` with what `connect` rejects with. */
  open(service: string | ServiceAddress, options?: ConnectOptions): ServiceStream;
  /** For `http.request` and `https.request`, `ws`, and clients built on them: `http://machine.service/path`. */
  agent(options?: HttpOptions): Agent;
  /** `fetch` with URLs whose hosts are `machine.service`. */
  fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>;
  /** For the `dispatcher` option of the global `fetch` and `WebSocket`, and of undici's functions. */
  dispatcher(options?: HttpOptions): FetchDispatcher;
  /** For the `connect` option of undici's `Agent`, `Pool` and `Client`. */
  connector(options?: HttpOptions): Connector;
  /** A Channel to a service, over a websocket, a streaming HTTP exchange or a raw stream. */
  channel(service: string | ServiceAddress, acceptor: ChannelAcceptor, options?: ChannelOptions): Promise<Channel>;
  /** `http://` URL of a service, with whatever characters its name has. `path` begins with a slash. */
  url(service: string | ServiceAddress, path?: string): string;
  /** Which router a machine is linked to, before what the resolver says. Undefined: forget it. */
  readonly resolver: { set(machine: string, router: Resolved): void };
  /** Ends all dials, streams and links. Idempotent. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const TIMEOUT_MS = 5_000;
const TIMEOUT_MS_MAX = 60_000;

/** Creates a dialer. Throws CONFIG_INVALID for options that cannot be. */
export function createDialer(options: DialerOptions): Dialer {
  return new ProgramDialer(options);
}

class ProgramDialer extends OwnedEmitter<DialerEvents> implements Dialer {
  readonly resolver = { set: (machine: string, router: Resolved): void => this.#set(machine, router) };
  readonly #options: DialerOptions;
  readonly #machines = new Map<string, readonly string[]>();
  readonly #routes = new Map<string, Promise<DialRoute>>();
  readonly #opened = new Set<StreamDuplex>();
  #closed: Promise<void> | undefined;
  #fetchDispatcher: FetchDispatcher | undefined;

  constructor(options: DialerOptions) {
    super();
    checkOptions(options);
    this.#options = options;
    const { routers = [], resolver, timeoutMs } = options;
    checkTimeout(timeoutMs);
    // A mistake in the options is the caller's to hear now, not at the first dial.
    checkUrls("routers", routers);
    checkResolver(resolver);
    if (routers.length > 0) this.#configFor(routers);
    else if (resolver === undefined) throw invalid("routers: expected the URL of a router at least, or a resolver");
  }

  async connect(service: string | ServiceAddress, options: ConnectOptions = {}): Promise<ServiceStream> {
    const stream = this.open(service, options);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    stream.once("connect", resolve).once("error", reject);
    await promise;
    stream.off("error", reject);
    return stream;
  }

  open(service: string | ServiceAddress, options: ConnectOptions = {}): ServiceStream {
    checkTimeout(options.timeoutMs);
    return this.#open(addressOf(service), options);
  }

  agent(options: HttpOptions = {}): Agent {
    return new DialerAgent((address, connect) => this.#open(address, connect), options);
  }

  fetch(input: string | URL | Request, init: RequestInit = {}): Promise<Response> {
    this.#fetchDispatcher ??= this.dispatcher();
    return fetch(input, { ...init, dispatcher: this.#fetchDispatcher });
  }

  dispatcher(options: HttpOptions = {}): FetchDispatcher {
    return createDispatcher(this.agent(options));
  }

  connector(options: HttpOptions = {}): Connector {
    return createConnector((address, connect) => this.#open(address, connect), options);
  }

  channel(service: string | ServiceAddress, acceptor: ChannelAcceptor, options: ChannelOptions = {}): Promise<Channel> {
    return openChannel(this, addressOf(service), acceptor, options);
  }

  url(service: string | ServiceAddress, path = "/"): string {
    return `http://${serviceHost(addressOf(service))}${path}`;
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #open(address: ServiceAddress, options: ConnectOptions): StreamDuplex {
    const { signal, timeoutMs, protocol = "tcp", allowHalfOpen = false } = options;
    const { machine, service } = address;
    const destroyedAs = { code: "CLIENT_GONE", message: "the program that dialled reset the stream" } as const;
    const duplex = new StreamDuplex({ service, machine, destroyedAs });
    duplex.allowHalfOpen = allowHalfOpen;
    this.#opened.add(duplex);
    duplex.once("close", () => this.#opened.delete(duplex));
    if (signal !== undefined) abortWith(duplex, signal);
    const request = { address, protocol, timeoutMs: timeoutMs ?? this.#options.timeoutMs ?? TIMEOUT_MS };
    this.#dial(duplex, request).catch((error: unknown) => duplex.destroy(dialError(address, error)));
    return duplex;
  }

  async #dial(duplex: StreamDuplex, request: Omit<DialRequest, "leftMs">): Promise<void> {
    if (this.#closed !== undefined) throw closedError();
    const { address, timeoutMs } = request;
    const begun = systemClock.now();
    const ended = new AbortController();
    const late = setTimeout(() => {
      const who = address.machine === undefined ? "" : ` "${address.machine}"`;
      duplex.destroy(new PolarityError("DIAL_TIMEOUT", `the machine${who} was not resolved within ${timeoutMs} ms`));
    }, timeoutMs);
    const gone = (): void => ended.abort();
    duplex.once("close", gone);
    try {
      const urls = await this.#resolve(address.machine, ended.signal);
      if (duplex.destroyed) return;
      const route = await this.#routeFor(urls);
      const left = Math.max(1, timeoutMs - (systemClock.now() - begun));
      route.open(duplex, { ...request, leftMs: Math.ceil(left) });
    } finally {
      clearTimeout(late);
      duplex.off("close", gone);
    }
  }

  async #resolve(machine: string | undefined, signal: AbortSignal): Promise<readonly string[]> {
    const { resolver, routers = [] } = this.#options;
    if (machine !== undefined) {
      const set = this.#machines.get(machine);
      if (set !== undefined) return set;
      const found = resolver === undefined ? undefined : listOf(await lookUp(resolver, machine, signal));
      if (found !== undefined) return found;
      if (resolver !== undefined) throw unknownMachine(machine, "the resolver knows no router for it");
    }
    if (routers.length > 0) return routers;
    if (machine !== undefined) throw unknownMachine(machine, "there are no routers to ask");
    throw new PolarityError(
      "MACHINE_UNKNOWN",
      "a service of any machine needs routers to ask: give the dialer `routers`",
    );
  }

  #set(machine: string, router: Resolved): void {
    const urls = listOf(router);
    if (urls === undefined) this.#machines.delete(machine);
    else {
      this.#configFor(urls);
      this.#machines.set(machine, urls);
    }
  }

  /** One node for each set of routers. */
  #routeFor(urls: readonly string[]): Promise<DialRoute> {
    const key = [...urls].sort().join(" ");
    let route = this.#routes.get(key);
    if (route === undefined) {
      route = this.#startRoute(urls);
      this.#routes.set(key, route);
      route.catch(() => this.#routes.delete(key));
    }
    return route;
  }

  async #startRoute(urls: readonly string[]): Promise<DialRoute> {
    const config = this.#configFor(urls);
    const { logger = silentLogger } = this.#options;
    const create = (heard: Partial<NodeObserver>): PolarityNode =>
      createNode(config, {
        logger,
        clock: systemClock,
        version: packageVersion(),
        observer: this.#observerFor({ ...DEAF, ...heard }),
      });
    // Failures are told under the URL as the configuration reads it.
    const route = new DialRoute(
      create,
      config.links.dial.map(({ address }) => address.url),
    );
    await route.node.start();
    return route;
  }

  /** Tells what the route hears, too. */
  #observerFor(route: NodeObserver): NodeObserver {
    return {
      ...route,
      linkUp: (link) => {
        route.linkUp(link);
        this.tell("linkUp", link);
      },
      linkDown: (link, error) => {
        route.linkDown(link, error);
        this.tell("linkDown", { link, error });
      },
      dialFailed: (url, error) => {
        route.dialFailed(url, error);
        this.tell("dialFailed", { url, error });
      },
    };
  }

  #configFor(urls: readonly string[]) {
    const { token, tokenFile, tls, cost, links, name } = this.#options;
    const dial = urls.map((url) => {
      const encrypted = /^(?:tls|wss):/.test(url);
      return { url, token, tokenFile, cost, links, tls: encrypted ? tls : undefined };
    });
    return configOf({ node: { name }, links: { dial } });
  }

  async #close(): Promise<void> {
    const error = closedError();
    for (const duplex of this.#opened) duplex.destroy(error);
    for (const route of this.#routes.values()) {
      const started = await route.catch(() => undefined);
      started?.close(error);
      await started?.node.stop();
    }
    this.tell("closed");
  }
}

const DEAF: NodeObserver = {
  linkUp: () => {},
  linkChanged: () => {},
  linkDown: () => {},
  dialFailed: () => {},
  offerAdded: () => {},
  offerRemoved: () => {},
  failed: () => {},
};

function checkResolver(resolver: unknown): void {
  if (resolver === undefined || typeof resolver === "function") return;
  if (typeof resolver === "object" && resolver !== null && !Array.isArray(resolver)) return;
  throw invalid(`resolver: expected a map of machines, or a function (got ${shown(resolver)})`);
}

function addressOf(service: string | ServiceAddress): ServiceAddress {
  if (typeof service === "string") return parseServiceAddress(service);
  return checkAddress(service);
}

/** An address in parts is taken as it is, without decoding. */
function checkAddress(address: ServiceAddress): ServiceAddress {
  const { machine, service } = (address ?? {}) as Partial<ServiceAddress>;
  if (typeof service !== "string" || (machine !== undefined && typeof machine !== "string")) {
    throw new PolarityError(
      "ADDRESS_INVALID",
      `expected { machine, service }, or "machine.service" (got ${shown(address)})`,
    );
  }
  return parseServiceAddress(`${machine ?? ""}.${encodeURIComponent(service)}`);
}

function abortWith(duplex: StreamDuplex, signal: AbortSignal): void {
  const abort = (): void =>
    void duplex.destroy(signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason)));
  if (signal.aborted) {
    abort();
    return;
  }
  signal.addEventListener("abort", abort, { once: true });
  duplex.once("close", () => signal.removeEventListener("abort", abort));
}

async function lookUp(resolver: MachineResolver, machine: string, signal: AbortSignal): Promise<Resolved> {
  if (typeof resolver === "function") return await resolver(machine, { signal });
  if (resolver instanceof Map) return (resolver as ReadonlyMap<string, string>).get(machine);
  const table = resolver as Readonly<Record<string, string>>;
  return Object.hasOwn(table, machine) ? table[machine] : undefined;
}

function listOf(resolved: Resolved): readonly string[] | undefined {
  if (resolved === undefined) return undefined;
  const urls = typeof resolved === "string" ? [resolved] : resolved;
  return urls.length === 0 ? undefined : urls;
}

function unknownMachine(machine: string, why: string): PolarityError {
  return new PolarityError("MACHINE_UNKNOWN", `machine "${machine}" is not known: ${why}`);
}

function dialError({ machine }: ServiceAddress, error: unknown): PolarityError {
  if (error instanceof PolarityError) return error;
  const message = `machine "${machine ?? ""}" is not known: the resolver failed: ${messageOf(error)}`;
  return new PolarityError("MACHINE_UNKNOWN", message, error);
}

function closedError(): PolarityError {
  return new PolarityError("NODE_STOPPED", "the dialer is closed");
}

function checkTimeout(timeoutMs: number | undefined): void {
  if (timeoutMs === undefined) return;
  if (typeof timeoutMs === "number" && timeoutMs >= 1 && timeoutMs <= TIMEOUT_MS_MAX) return;
  throw invalid(`timeoutMs: expected 1 to ${TIMEOUT_MS_MAX} (got ${shown(timeoutMs)})`);
}
