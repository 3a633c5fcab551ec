/**
 * A node: everything that one resolved configuration describes, wired together.
 *
 * start binds listeners and begins to dial; it does not wait for links, which come and go for ever. drain ends in order:
 * listeners first, then links, each when its work is done; stop ends now.
 */
import { randomUUID } from "node:crypto";
import type { ByteSink, ByteStream } from "../base/byte-stream.ts";
import type { Clock, Logger } from "../base/clock.ts";
import type { Deadlines } from "../base/deadlines.ts";
import { DenseSet } from "../base/dense-set.ts";
import { PolarityError } from "../base/errors.ts";
import { internalError } from "../base/internal-error.ts";
import { StreamRequest } from "../base/upstream.ts";
import type { NodeConfig, ServiceConfig } from "../config/node-config.ts";
import { NameResolver } from "../socket/name-resolver.ts";
import { OfferWaiters } from "../registry/offer-waiters.ts";
import { Registry, REGISTRY_LIMITS } from "../registry/registry.ts";
import type { Copy, ExchangeContext } from "../session/exchange-contract.ts";
import { FanOutOffers } from "../session/fan-out-offers.ts";
import type { StallWatch } from "../session/stall-watch.ts";
import type { Target } from "../target/target.ts";
import { Alarm } from "./alarm.ts";
import { AccessLogs } from "./access-logs.ts";
import { Analyses } from "./analyses.ts";
import { changedParts } from "./config-key.ts";
import { FirstOffers } from "./first-offers.ts";
import { IdleWaits } from "./idle-waits.ts";
import { LinkHub } from "./link-hub.ts";
import { ListenerSet } from "./listener-set.ts";
import { DialledStreams } from "./dialled-streams.ts";
import { LocalServices, type ServedService } from "./local-services.ts";
import { MemoryWatch } from "./memory-watch.ts";
import { NodeLog } from "./node-log.ts";
import { ObservedLinks } from "./node-observer.ts";
import { NodeReport } from "./node-report.ts";
import { OnwardOffers } from "./onward-offers.ts";
import { PathOffers, wantsPaths } from "./path-offers.ts";
import type { NodeEnvironment, PolarityNode } from "./polarity-node.ts";
import { RelayOffers, type RelayWish } from "./relay-offers.ts";
import { RelayedSessions } from "./relayed-sessions.ts";
import type { AnalysisView, NodeState, NodeView, Readiness } from "./view.ts";

export type { NodeEnvironment, PolarityNode } from "./polarity-node.ts";

export function createNode(config: NodeConfig, environment: NodeEnvironment): PolarityNode {
  return new Node(config, environment);
}

const TICK_MS = 50;
/** A young node cannot know yet who will join it. */
const LEARNING_MS = 10_000;
const WAITERS_MAX = 65_536;
const PARTS_OF_A_START = ["limits", "admin", "state", "analysis"] as const;

class Node implements PolarityNode, ExchangeContext {
  readonly registry: Registry;
  readonly waiters: OfferWaiters;
  readonly fanOuts: FanOutOffers;
  readonly clock: Clock;
  readonly stallWatches = new DenseSet<StallWatch>();
  readonly copies = new DenseSet<Copy>();
  readonly random = Math.random;
  readonly #alarm: Alarm;
  readonly #logger: Logger;
  readonly #log: NodeLog;
  readonly #services: LocalServices;
  readonly #hub: LinkHub;
  readonly #memory: MemoryWatch;
  readonly #listeners: ListenerSet;
  readonly #accessLogs: AccessLogs;
  readonly #analyses: Analyses;
  readonly #relayOffers: RelayOffers;
  readonly #onwardOffers: OnwardOffers;
  readonly #relayed: RelayedSessions;
  /** Of the listeners, as they are wanted now. */
  #wishes: readonly RelayWish[] = [];
  readonly #report: NodeReport;
  readonly #startedAt: number;
  readonly #dialled: DialledStreams;
  readonly #names: NameResolver;
  #config: NodeConfig;
  #noConnector = true;
  #state: NodeState = "starting";
  #ticking: NodeJS.Timeout | undefined;
  #draining: Promise<{ cutOff: number }> | undefined;
  /** Who is told that time passes. */
  readonly #ticked: readonly ((now: number) => void)[] = [
    (now) => this.registry.tick(now),
    (now) => this.waiters.tick(now),
    (now) => this.stallWatches.forEach((watch) => watch.sweep(now)),
    (now) => this.fanOuts.sweep(now),
    (now) => this.#relayed.tick(now),
    (now) => this.#hub.tick(now),
    (now) => this.#memory.tick(now),
    () => this.#onwardOffers.tick(),
    (now) => this.#listeners.sweep(now),
    (now) => this.#services.tick(now),
    () => this.#analyses.tick(),
    () => this.#log.quiet.tick(),
    () => this.#waits.look(),
  ];
  readonly #waits = new IdleWaits();
  readonly #firstOffers: FirstOffers;

  constructor(config: NodeConfig, { logger, clock, version, observer, resolve }: NodeEnvironment) {
    const instance = randomUUID();
    const { name } = config.node;
    const { random } = this;
    this.#config = config;
    this.#logger = logger;
    this.#log = new NodeLog(logger, clock);
    const { quiet } = this.#log;
    this.clock = clock;
    this.#names = new NameResolver({ ...config.resolver, random, now: () => clock.now(), lookUp: resolve });
    this.#alarm = new Alarm(clock);
    this.#startedAt = clock.now();
    this.registry = new Registry({
      random,
      clock,
      limits: {
        ...REGISTRY_LIMITS,
        offersPerUpstreamMax: config.limits.offersPerLinkMax,
        offerBytesPerPayerMax: config.limits.offerBytesPerPayerMax,
      },
    });
    this.#firstOffers = new FirstOffers(this.registry, config.listeners, this.#startedAt + config.node.readyTimeoutMs);
    // Before whoever wakes requests at a change.
    this.registry.watch(() => {
      this.#noConnector &&= !this.registry.services().some((service) => service.offers.length > 0);
    });
    this.waiters = new OfferWaiters(this.registry, WAITERS_MAX);
    this.#analyses = new Analyses(logger, clock, config.analysis.recoveryPath);
    this.fanOuts = new FanOutOffers(this.registry, clock);
    this.#services = new LocalServices({
      node: name,
      registry: this.registry,
      clock,
      logger,
      quiet,
      random,
      names: this.#names,
      analyses: this.#analyses,
      events: {
        announced: (announcement) => this.#hub.announce(announcement),
        withdrawn: (service) => this.#hub.withdraw(service),
      },
    });
    const { hopsMax } = config.limits;
    const pathOptions = { registry: this.registry, instance, hopsMax, clock, logger, quiet };
    this.#relayOffers = new RelayOffers(this.registry, instance, quiet);
    this.#relayed = new RelayedSessions(this, instance, hopsMax, quiet);
    this.#onwardOffers = new OnwardOffers(pathOptions);
    this.#dialled = new DialledStreams(this, this.#relayOffers);
    this.#accessLogs = new AccessLogs(logger);
    this.#listeners = new ListenerSet({ sessions: this, logger, quiet, node: name, instance, random }, this.registry, {
      accessLogs: this.#accessLogs,
      analyses: this.#analyses,
    });
    this.#hub = new LinkHub({
      node: name,
      instance,
      registry: this.registry,
      clock,
      logger,
      quiet,
      random,
      limits: config.limits,
      names: this.#names,
      services: () => this.#services,
      relayOffers: this.#relayOffers,
      pathOffers: new PathOffers(pathOptions),
      onwardOffers: this.#onwardOffers,
      wantsPaths: () => wantsPaths(this.#config),
      relayed: this.#relayed,
      observed: observer === undefined ? undefined : new ObservedLinks(observer, name),
      suspect: (upstream) => {
        this.#dialled.upstreamSuspect(upstream);
        this.#listeners.upstreamSuspect(upstream);
        this.#relayed.upstreamSuspect(upstream);
      },
    });
    this.#memory = new MemoryWatch({
      clock,
      quiet,
      links: this.#hub,
      places: () => [...this.#listeners.all, this.#relayed],
    });
    this.#report = new NodeReport({
      name,
      instance,
      version,
      clock,
      listeners: this.#listeners,
      relayed: this.#relayed,
      hub: this.#hub,
      registry: this.registry,
      waiters: this.waiters,
      analyses: this.#analyses,
      held: this.#memory.held,
      links: () => this.#config.links,
    });
  }

  // ── ExchangeContext ──

  get deadlines(): Deadlines {
    return this.#alarm.deadlines;
  }

  /** Once somebody has offered something, an unknown service is nobody's, also when all have left. */
  get noConnector(): boolean {
    return this.#noConnector;
  }

  get mayStillLearn(): boolean {
    return this.clock.now() - this.#startedAt < LEARNING_MS || this.noConnector;
  }

  // ── PolarityNode ──

  get addresses(): { links: readonly string[]; listeners: readonly string[] } {
    return { links: this.#hub.urls, listeners: this.#listeners.open.map(({ listener }) => listener.url) };
  }

  async start(): Promise<void> {
    this.#log.start();
    this.#ticking = setInterval(() => this.#tick(), TICK_MS);
    try {
      // Our own services first: their names are ours before any link can offer them.
      this.#services.configure(this.#config.services);
      await this.#accessLogs.open(this.#config);
      await this.#analyses.recover();
      await this.#analyses.prepare(this.#config);
      await this.#listeners.configure(this.#config.listeners);
      this.#updateWishes();
      await this.#hub.configure(this.#config.links);
    } catch (error) {
      await this.stop();
      throw error;
    }
    if (this.#state === "starting") this.#state = "ready";
  }

  get drainMsMax(): number {
    const { drainDelayMs, drainTimeoutMs } = this.#config.node;
    return drainDelayMs + drainTimeoutMs;
  }

  drain(): Promise<{ cutOff: number }> {
    this.#draining ??= this.#drain();
    return this.#draining;
  }

  async stop(): Promise<void> {
    await this.#cutOff("the node stops");
  }

  async reload(config: NodeConfig): Promise<void> {
    if (this.#state !== "ready")
      throw new PolarityError("NODE_STOPPED", `the node is ${this.#state}, it takes no configuration`);
    if (config.node.name !== this.#config.node.name) {
      throw new PolarityError(
        "CONFIG_INVALID",
        `the node's name cannot change from "${this.#config.node.name}" to "${config.node.name}" while it runs`,
      );
    }
    for (const part of changedParts(this.#config, config, PARTS_OF_A_START)) {
      this.#logger.warn({}, `changes of "${part}" take effect with the next start`);
    }
    const old = this.#config;
    try {
      await this.#apply(config);
      this.#config = config;
      this.#accessLogs.closeOthers(config);
      this.#analyses.retain(config);
    } catch (error) {
      await this.#apply(old);
      throw error;
    }
  }

  register(service: ServiceConfig): void {
    this.#services.register(service);
  }

  serve(service: ServedService, target: Target): void {
    this.#services.serve(service, target);
  }

  unregister(name: string): void {
    this.#services.unregister(name);
  }

  setCost(link: string, cost: number): void {
    this.#hub.setCost(link, cost);
  }

  view(): NodeView {
    return this.#report.view(this.#state);
  }

  analyses(): readonly AnalysisView[] {
    return this.#analyses.views();
  }

  readiness(): Readiness {
    if (this.#state !== "ready") return { ready: false, reasons: [`the node is ${this.#state}`] };
    const missing = this.#firstOffers.missing(this.clock.now());
    return { ready: missing.length === 0, reasons: missing.map(nobodyYet) };
  }

  open(service: string, node: string | undefined, waitMs: number): Promise<ByteStream> {
    return this.#dialled.connect(new StreamRequest(service, "tcp", "", node, waitMs));
  }

  dial(request: StreamRequest, sink: ByteSink): ByteStream {
    return this.#dialled.open(request, sink);
  }

  async #apply(config: NodeConfig): Promise<void> {
    this.#names.configure(config.resolver);
    await this.#analyses.prepare(config);
    await this.#accessLogs.open(config);
    await this.#listeners.configure(config.listeners);
    this.#services.configure(config.services);
    this.#updateWishes();
    await this.#hub.configure(config.links);
  }

  #updateWishes(): void {
    const old = this.#wishes;
    this.#wishes = this.#listeners.wishes;
    for (const wish of this.#wishes) this.#relayOffers.want(wish);
    for (const wish of old) this.#relayOffers.unwant(wish);
  }

  async #drain(): Promise<{ cutOff: number }> {
    if (this.#state === "stopped") return { cutOff: 0 };
    this.#state = "draining";
    await this.#windDown();
    // What stops the node meanwhile has ended all of this.
    if (this.#stopped) return { cutOff: 0 };
    const { drainTimeoutMs } = this.#config.node;
    const late = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => late.resolve(false), drainTimeoutMs);
    const done = this.#drainInOrder().then(() => true);
    const inTime = await Promise.race([done, late.promise]);
    clearTimeout(timer);
    const cutOff = await this.#cutOff(
      inTime ? "the node was drained" : `not done within ${drainTimeoutMs} ms of draining`,
    );
    return { cutOff: inTime ? 0 : cutOff };
  }

  get #stopped(): boolean {
    return this.#state === "stopped";
  }

  /** `/readyz` says no already, while whoever sends clients here may take `drainDelay` to notice. */
  async #windDown(): Promise<void> {
    const { drainDelayMs } = this.#config.node;
    // Nobody is sent to a node that only dials.
    if (drainDelayMs === 0 || this.#listeners.open.length + this.#config.links.accept.length === 0) return;
    const until = this.clock.now() + drainDelayMs;
    this.#listeners.windDown();
    await this.#waits.until(() => this.clock.now() >= until);
  }

  async #drainInOrder(): Promise<void> {
    this.#listeners.drain();
    this.#relayed.drain();
    this.#services.drain();
    await this.#hub.stopOffering();
    // Requests under way may still need a stream of a link, so the links go when no session is left.
    await this.#waits.until(() => this.#listeners.sessionsActive + this.#relayed.active === 0);
    // Nobody waits for these.
    this.#endCopies(new PolarityError("CLIENT_GONE", "the node stops"));
    await this.#hub.drain();
    await this.#waits.until(() => this.#services.active === 0);
    // Clients that read slowly may not have all of their answer yet.
    await this.#waits.until(() => this.#listeners.connectionsOpen === 0);
  }

  #endCopies(error: PolarityError): void {
    this.copies.forEach((copy) => copy.abort(error));
  }

  async #cutOff(why: string): Promise<number> {
    if (this.#state === "stopped") return 0;
    this.#state = "stopped";
    const error = new PolarityError("NODE_STOPPED", why);
    this.#endCopies(error);
    const sessions = this.#listeners.close(error) + this.#relayed.close(error);
    this.#dialled.close(error);
    const streams = await this.#hub.close(error);
    this.#services.close(error);
    this.#onwardOffers.stop();
    this.waiters.close();
    clearInterval(this.#ticking);
    this.#alarm.stop();
    this.#waits.end();
    this.#report.close();
    this.#memory.close();
    await this.#accessLogs.close();
    await this.#analyses.close();
    this.#log.close();
    return sessions + streams;
  }

  #tick(): void {
    const now = this.clock.now();
    for (const part of this.#ticked) {
      // One that fails keeps no other from its turn.
      try {
        part(now);
      } catch (thrown) {
        internalError("timer", thrown);
      }
    }
  }
}

function nobodyYet(service: string): string {
  const what = service === "*" ? "any service" : `service "${service}"`;
  return `the node has just started, and nobody offers ${what} yet`;
}
