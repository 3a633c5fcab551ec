/** The listeners of a node: made from configuration, updated in place when only settings change. */
import type { Place } from "../base/address.ts";
import type { PolarityError } from "../base/errors.ts";
import type { Upstream } from "../base/upstream.ts";
import type { ListenerConfig } from "../config/node-config.ts";
import { RequestIdentity } from "../http/request-identity.ts";
import type { AdmissionOptions } from "../listen/admission.ts";
import { Http1Listener, type Http1ListenerOptions } from "../listen/http1-listener.ts";
import type { Listener, ListenerContext } from "../listen/listener.ts";
import { fixedRoute, type RouteTable, routeByName, routeByTable } from "../listen/route-table.ts";
import { TrustedNetworks } from "../listen/trusted-networks.ts";
import { NameRoutes } from "../listen/name-routes.ts";
import { TcpListener, type TcpListenerOptions } from "../listen/tcp-listener.ts";
import { UdpListener, type UdpListenerOptions } from "../listen/udp-listener.ts";
import type { Registry } from "../registry/registry.ts";
import type { AccessLogs } from "./access-logs.ts";
import { shapeKey } from "./config-key.ts";
import type { Analyses } from "./analyses.ts";
import type { RelayWish } from "./relay-offers.ts";

export interface OpenListener {
  readonly listener: Http1Listener | TcpListener | UdpListener;
  config: ListenerConfig;
}

/** What listeners have only where the configuration says so. */
export interface ListenerExtras {
  readonly accessLogs: AccessLogs;
  readonly analyses: Analyses;
}

export class ListenerSet {
  readonly #context: ListenerContext;
  readonly #registry: Registry;
  readonly #extras: ListenerExtras;
  #open: OpenListener[] = [];
  /** Services that the configuration of a listener names. */
  readonly #declared = new Set<string>();
  /** Listeners that the configuration dropped, until their last connection ends. */
  readonly #retired = new Set<Listener>();

  constructor(context: ListenerContext, registry: Registry, extras: ListenerExtras) {
    this.#context = context;
    this.#extras = extras;
    this.#registry = registry;
  }

  /** In the order of the configuration. */
  get open(): readonly OpenListener[] {
    return this.#open;
  }

  get all(): readonly Listener[] {
    return [...this.#open.map(({ listener }) => listener), ...this.#retired];
  }

  /** Makes the listeners just those of `configs`. Throws ADDRESS_IN_USE, and then keeps all that were open. */
  async configure(configs: readonly ListenerConfig[]): Promise<void> {
    const next = keptFor(configs, this.#open);
    const leaving = this.#open.filter((open) => !next.includes(open));
    const opened: OpenListener[] = [];
    const evicted = new Set<OpenListener>();
    try {
      // Places that must be given up first come last: until then, a failure has changed nothing.
      for (const evicting of [false, true]) {
        for (const [index, config] of configs.entries()) {
          const inTheWay = leaving.filter((open) => collides(open.config, config));
          if (next[index] !== undefined || inTheWay.length > 0 !== evicting) continue;
          for (const open of inTheWay) {
            evicted.add(open);
            // A socket of datagrams keeps its place for as long as it is open.
            if (open.listener instanceof UdpListener) open.listener.vacate();
            else open.listener.drain();
          }
          const created = await this.#start(config);
          opened.push(created);
          next[index] = created;
        }
      }
    } catch (error) {
      // Somebody may have come in meanwhile.
      for (const { listener } of opened) this.#retire(listener);
      for (const open of evicted) await this.#reopen(open);
      this.#undeclareRest();
      throw error;
    }
    for (const [index, config] of configs.entries()) this.#update(next[index]!, config);
    for (const { listener } of leaving) this.#retire(listener);
    this.#open = next.filter((open) => open !== undefined);
    this.#undeclareRest();
  }

  windDown(): void {
    for (const listener of this.all) listener.windDown();
  }

  drain(): void {
    for (const listener of this.all) listener.drain();
  }

  close(error: PolarityError): number {
    return this.all.reduce((cut, listener) => cut + listener.close(error), 0);
  }

  /** What clients of these listeners may want; those that name their service themselves are not known before they do. */
  get wishes(): readonly RelayWish[] {
    return this.#open.flatMap(({ config }) => {
      const { protocol } = config.address;
      const services = servicesOf(config);
      return services.map((service) => ({ service, protocol }) as const);
    });
  }

  get sessionsActive(): number {
    return this.all.reduce((active, listener) => active + listener.sessionsActive, 0);
  }

  get connectionsOpen(): number {
    return this.all.reduce((open, listener) => open + listener.connectionsOpen, 0);
  }

  sweep(now: number): void {
    for (const listener of this.all) {
      listener.sweep(now);
      if (listener.connectionsOpen === 0) this.#retired.delete(listener);
    }
  }

  upstreamSuspect(upstream: Upstream): void {
    for (const listener of this.all) listener.upstreamSuspect(upstream);
  }

  async #start(config: ListenerConfig): Promise<OpenListener> {
    const created = { listener: this.#create(config), config };
    await created.listener.start();
    return created;
  }

  /** What gave up its place takes it back, unless somebody else was faster. */
  async #reopen(evicted: OpenListener): Promise<void> {
    const again = await this.#start(evicted.config).catch(() => undefined);
    this.#retire(evicted.listener);
    this.#open = this.#open.flatMap((open) => (open === evicted ? (again ?? []) : open));
  }

  #create(config: ListenerConfig): OpenListener["listener"] {
    this.#declare(config);
    if (config.address.protocol === "udp") return new UdpListener(this.#context, this.#udpOptions(config));
    return config.address.protocol === "http/1.1"
      ? new Http1Listener(this.#context, this.#httpOptions(config))
      : new TcpListener(this.#context, this.#tcpOptions(config));
  }

  #update(open: OpenListener, config: ListenerConfig): void {
    open.config = config;
    this.#declare(config);
    if (open.listener instanceof Http1Listener) open.listener.update(this.#httpOptions(config));
    else if (open.listener instanceof UdpListener) open.listener.update(this.#udpOptions(config));
    else open.listener.update(this.#tcpOptions(config));
  }

  #retire(listener: Listener): void {
    listener.drain();
    if (listener.connectionsOpen > 0) this.#retired.add(listener);
  }

  #declare(config: ListenerConfig): void {
    for (const service of servicesOf(config)) {
      this.#declared.add(service);
      this.#registry.declare(service);
    }
  }

  #undeclareRest(): void {
    const wanted = new Set(this.#open.flatMap(({ config }) => servicesOf(config)));
    for (const service of this.#declared) {
      if (wanted.has(service)) continue;
      this.#declared.delete(service);
      this.#registry.undeclare(service);
    }
  }

  #httpOptions(config: ListenerConfig): Http1ListenerOptions {
    const { limits } = config;
    return {
      address: config.address,
      socketMode: config.socketMode,
      routes: this.#routes(config),
      identity: identityOf(config),
      accessLog: this.#extras.accessLogs.of(config),
      waitForOfferMs: config.waitForOfferMs,
      rates: limits.rates,
      admission: admissionOptions(config),
      tls: config.tls,
      hsts: config.hsts,
      http2: config.http2,
      limits: {
        headBytesMax: limits.headBytesMax,
        fieldCountMax: limits.fieldsMax,
        targetBytesMax: limits.targetBytesMax,
        bodyBytesMax: limits.bodyBytesMax,
        headTimeoutMs: limits.headTimeoutMs,
        idleTimeoutMs: limits.idleTimeoutMs,
        halfCloseTimeoutMs: limits.halfCloseTimeoutMs,
        sendTimeoutMs: limits.sendTimeoutMs,
        streamsMax: limits.streams,
        resetsPerSecond: limits.resets,
      },
    };
  }

  #tcpOptions(config: ListenerConfig): TcpListenerOptions {
    return {
      address: config.address,
      socketMode: config.socketMode,
      service: config.service ?? "*",
      names: namesOf(config),
      helloTimeoutMs: config.limits.headTimeoutMs,
      node: config.node,
      accessLog: this.#extras.accessLogs.of(config),
      analysis: this.#extras.analyses.ofListener(config),
      fanOut: config.fanOut,
      waitForOfferMs: config.waitForOfferMs,
      halfCloseTimeoutMs: config.limits.rawHalfCloseTimeoutMs,
      rates: config.limits.rates,
      admission: admissionOptions(config),
    };
  }

  #udpOptions(config: ListenerConfig): UdpListenerOptions {
    return {
      address: config.address,
      service: config.service ?? "*",
      node: config.node,
      accessLog: this.#extras.accessLogs.of(config),
      fanOut: config.fanOut,
      waitForOfferMs: config.waitForOfferMs,
      rates: config.limits.rates,
      newAssociations: config.limits.newConnections,
      trusted: new TrustedNetworks(config.trustedProxies),
      associations: config.udp,
    };
  }

  #routes(config: ListenerConfig): RouteTable {
    if (config.service !== undefined) return fixedRoute(config.service, config.node, config.policy);
    if (config.routes.length > 0) return routeByTable(config.routes);
    const knows = (service: string, node: string): boolean =>
      this.#registry.knows(service, node === "" ? undefined : node);
    return routeByName(knows, config.policy, this.#registry);
  }
}

/** Most listeners name no requests, and pay nothing for it. */
function identityOf({ requestId, tracing }: ListenerConfig): RequestIdentity | undefined {
  if (!requestId && tracing === "pass") return undefined;
  return new RequestIdentity({ requestId, tracing, random: Math.random });
}

function admissionOptions({ limits, proxyProtocol, trustedProxies }: ListenerConfig): AdmissionOptions {
  return {
    connectionsMax: limits.connections,
    connectionsPerClientMax: limits.connectionsPerClientMax,
    newConnections: limits.newConnections,
    proxyProtocol,
    headerTimeoutMs: limits.headTimeoutMs,
    trusted: new TrustedNetworks(trustedProxies),
  };
}

function namesOf({ address, routes, service }: ListenerConfig): NameRoutes | undefined {
  if (address.scheme !== "tls") return undefined;
  return new NameRoutes(
    routes.map((route) => ({ host: route.match.host, service: route.service })),
    service,
  );
}

function servicesOf({ service, routes, policy }: ListenerConfig): string[] {
  const named = routes.flatMap((route) => [route.service, ...route.split.map((share) => share.service)]);
  const mirrors = [policy, ...routes.map((route) => route.policy)].map(({ mirror }) => mirror?.service ?? "");
  return [...new Set([service ?? "", ...named, ...mirrors])].filter((name) => name !== "");
}

/**
 * For each of `configs` the listener that is in its place already. Several may say that the system chooses their port: each
 * keeps the one that it has, so those that are the same in more than their place are matched first.
 */
function keptFor(configs: readonly ListenerConfig[], open: readonly OpenListener[]): (OpenListener | undefined)[] {
  const next: (OpenListener | undefined)[] = configs.map(() => undefined);
  const left = new Set(open);
  const ways = [shapeKey, (config: ListenerConfig) => `${config.service}`, () => ""];
  for (const keyOf of ways) {
    const byKey = Map.groupBy(left, ({ config }) => `${placeKey(config)} ${keyOf(config)}`);
    for (const [index, config] of configs.entries()) {
      const found = next[index] ?? byKey.get(`${placeKey(config)} ${keyOf(config)}`)?.shift();
      if (found === undefined) continue;
      next[index] = found;
      left.delete(found);
    }
  }
  return next;
}

/** What cannot change while a listener is open. */
function placeKey({ address }: ListenerConfig): string {
  const kind = address.protocol === "http/1.1" ? "http" : address.protocol === "udp" ? "udp" : "stream";
  return `${kind} ${JSON.stringify(address.place)}`;
}

/** The two cannot listen at once: one path, or one port, on whichever addresses. Ports of datagrams are others. */
function collides({ address: left }: ListenerConfig, { address: right }: ListenerConfig): boolean {
  const [one, other] = [left.place, right.place];
  if ((left.protocol === "udp") !== (right.protocol === "udp")) return false;
  if (one.kind === "unix") return other.kind === "unix" && one.path === other.path;
  return other.kind === "tcp" && one.port === other.port && !isAnyPort(one);
}

function isAnyPort(place: Place): boolean {
  return place.kind === "tcp" && place.port === 0;
}
