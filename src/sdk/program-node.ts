/**
 * A node within a program: what one configuration describes, and services that the program itself serves.
 */
import { type Logger, silentLogger, systemClock } from "../base/clock.ts";
import type { PolarityError } from "../base/errors.ts";
import type { LinkState } from "../link/link.ts";
import type { ConfigInput, LinkDialInput, NodeConfig } from "../config/node-config.ts";
import { createNode as createEngine, type PolarityNode } from "../node/node.ts";
import type { Readiness } from "../node/view.ts";
import type { OfferChange } from "../node/node-observer.ts";
import type { LinkView, NodeView } from "../node/view.ts";
import { OwnedEmitter, type TypedEmitter } from "./emitter.ts";
import { HandlerFailures } from "./handler-failures.ts";
import { HandlerTarget } from "./handler-target.ts";
import { checkOptions, checkUrls, configOf, invalid, isObject, shown } from "./node-input.ts";
import { wireServiceName } from "./service-address.ts";
import { checkHandler, type ServiceHandler, takerOf } from "./service-handler.ts";
import type { HandlerProtocol } from "./stream-taker.ts";
import { packageVersion } from "./version.ts";

/** What a node is given beside its configuration. */
export interface NodeOptions {
  /** Default: no log, but what handlers fail with on standard error. */
  readonly logger?: Logger;
  /** What file names in the configuration are relative to. Default: the process's folder. */
  readonly folder?: string;
}

/** What a node tells as it happens: the names of its events, and what their listeners are called with. */
export interface NodeEvents {
  /** Everything that listens is bound; the URLs have the ports that the system chose. */
  listening: [NodeAddresses];
  /** A link has joined, dialled by either side. */
  linkUp: [LinkView];
  /** A link became `up`, `suspect` or `draining`. */
  linkChanged: [{ readonly link: LinkView; readonly state: LinkState }];
  /** A link that had joined has ended. One that this node dialled is dialled again by itself. */
  linkDown: [{ readonly link: LinkView; readonly error: PolarityError }];
  /** An attempt to dial a link failed; it is repeated by itself. */
  dialFailed: [{ readonly url: string; readonly error: PolarityError }];
  /** Somebody offers a service here, or changes the weight, protocol or health of an offer. */
  offerAdded: [OfferChange];
  offerRemoved: [OfferChange];
  /**
   * A handler of `serve` failed, or a peer's offer was refused. The node goes on, also when nobody listens: failures of handlers
   * are then logged, to standard error where the node has no logger.
   */
  error: [PolarityError];
  /** The node takes no new work. */
  draining: [];
  stopped: [];
}

/** URLs with the ports that the system chose, in the order of the configuration. */
export interface NodeAddresses {
  /** Where other nodes join. */
  readonly links: readonly string[];
  /** Where clients come in. */
  readonly listeners: readonly string[];
}

/** A service's entry of a configuration, beside its target. */
export type ServiceInput = Omit<NonNullable<ConfigInput["services"]>[string], "target" | "targets">;

/** How a service that the program serves is offered. */
export interface ServeOptions {
  /** Share of new work relative to other nodes that offer the service: 1 (the default) to 1000. */
  readonly weight?: number;
  /** Told to the other nodes with the offer. */
  readonly labels?: Readonly<Record<string, string>>;
  /**
   * What the service is offered as. `http/1.1`, the default of HTTP handlers and channels: streams of one checked exchange
   * each, which HTTP listeners route to. `tcp`, the default of `{ stream }`: whole connections, of HTTP too.
   */
  readonly protocol?: HandlerProtocol;
}

/** A node; nothing of it runs before `start`. A `node:events` EventEmitter. */
export interface ProgramNode extends TypedEmitter<NodeEvents> {
  readonly name: string;
  /** Binds what listens and begins to dial; does not wait for links. Throws ADDRESS_IN_USE, INSECURE_LISTENER, NAME_TAKEN. */
  start(): Promise<void>;
  /** Ends in order within `node.drainTimeout`; `cutOff` is how many streams and sessions had to be cut off. */
  drain(): Promise<{ readonly cutOff: number }>;
  /** Ends now. Idempotent. */
  stop(): Promise<void>;
  /** Takes another configuration; what the program serves stays. On an error the old one stays, and the error is thrown. */
  reload(config: ConfigInput): Promise<void>;
  /**
   * Offers a service at once: by the URL of its app, or by a handler in this program (as `serve`). One of the same name is
   * replaced. Throws CONFIG_INVALID, and NAME_TAKEN when the name is another's.
   */
  register(service: string, target: string, options?: ServiceInput): void;
  register(service: string, target: ServiceHandler, options?: ServeOptions): void;
  /** Offers a service that this program serves, on links and listeners alike, without a port. */
  serve(service: string, handler: ServiceHandler, options?: ServeOptions): void;
  /** Streams under way go on. Throws SERVICE_UNKNOWN. */
  unregister(service: string): void;
  /** What listens, with the ports that the system chose; empty before `start`. */
  readonly addresses: NodeAddresses;
  /** Everything that the node shows of itself: links, services, offers, sessions, counts. */
  view(): NodeView;
  readiness(): Readiness;
  /** As `stop`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Creates a node from a configuration: the shape of the YAML file, or what `loadConfigFile` read. Throws CONFIG_INVALID. */
export function createNode(config: ConfigInput | NodeConfig, options: NodeOptions = {}): ProgramNode {
  return new EngineNode(config, options);
}

/** What `connectAndServe` links to and serves. */
export interface ConnectAndServeOptions extends NodeOptions {
  /** URLs of the routers to link to. */
  readonly routers: readonly string[];
  /** What to serve, by the service's name. */
  readonly services: Readonly<Record<string, ServiceHandler>>;
  /** The node's name. Default: the host's name. */
  readonly name?: string;
  readonly token?: string;
  readonly tokenFile?: string;
  /** For `tls://` and `wss://` routers, as `links.dial.tls` of a configuration. */
  readonly tls?: NonNullable<LinkDialInput["tls"]>;
}

/** A started node that links to routers and serves services of this program to them. */
export async function connectAndServe(options: ConnectAndServeOptions): Promise<ProgramNode> {
  checkOptions(options);
  const { routers, services, name, token, tokenFile, tls, ...rest } = options;
  checkUrls("routers", routers);
  if (routers.length === 0)
    throw invalid("routers: expected the URL of a router at least, as what is served is reached by it");
  if (!isObject(services)) throw invalid(`services: expected an object of handlers by name (got ${shown(services)})`);
  for (const [service, handler] of Object.entries(services)) checkHandler(`services.${service}`, handler);
  const dial = routers.map((url) => ({ url, token, tokenFile, tls: /^(?:tls|wss):/.test(url) ? tls : undefined }));
  const node = new EngineNode(configOf({ node: { name }, links: { dial } }, rest.folder), rest);
  for (const [service, handler] of Object.entries(services)) node.serve(service, handler);
  await node.start();
  return node;
}

class EngineNode extends OwnedEmitter<NodeEvents> implements ProgramNode {
  readonly #engine: PolarityNode;
  readonly #logger: Logger | undefined;
  readonly #folder: string | undefined;
  readonly #config: NodeConfig;
  #stopped = false;

  constructor(config: ConfigInput | NodeConfig, { logger, folder }: NodeOptions) {
    super();
    this.#logger = logger;
    this.#folder = folder;
    this.#config = isResolved(config) ? config : configOf(config, folder);
    this.#engine = createEngine(this.#config, {
      logger: logger ?? silentLogger,
      clock: systemClock,
      version: packageVersion(),
      observer: {
        linkUp: (link) => this.tell("linkUp", link),
        linkChanged: (link, state) => this.tell("linkChanged", { link, state }),
        linkDown: (link, error) => this.tell("linkDown", { link, error }),
        dialFailed: (url, error) => this.tell("dialFailed", { url, error }),
        offerAdded: (offer) => this.tell("offerAdded", offer),
        offerRemoved: (offer) => this.tell("offerRemoved", offer),
        failed: (error) => this.tell("error", error),
      },
    });
  }

  get name(): string {
    return this.#config.node.name;
  }

  get addresses(): NodeAddresses {
    return this.#engine.addresses;
  }

  async start(): Promise<void> {
    await this.#engine.start();
    this.tell("listening", this.addresses);
  }

  async drain(): Promise<{ readonly cutOff: number }> {
    this.tell("draining");
    const outcome = await this.#engine.drain();
    this.#hasStopped();
    return outcome;
  }

  async stop(): Promise<void> {
    await this.#engine.stop();
    this.#hasStopped();
  }

  async reload(config: ConfigInput): Promise<void> {
    const resolved = configOf({ ...config, node: { name: this.name, ...config.node } }, this.#folder);
    await this.#engine.reload(resolved);
  }

  register(service: string, target: string | ServiceHandler, options: ServiceInput | ServeOptions = {}): void {
    if (typeof target !== "string") {
      this.serve(service, target, options as ServeOptions);
      return;
    }
    const name = wireServiceName(service);
    const [config] = configOf(
      { services: { [name]: { ...(options as ServiceInput), target } } },
      this.#folder,
    ).services;
    if (config !== undefined) this.#engine.register(config);
  }

  serve(service: string, handler: ServiceHandler, options: ServeOptions = {}): void {
    const name = wireServiceName(service);
    checkHandler(`service "${name}"`, handler);
    const failures = new HandlerFailures(name, (error) => this.tell("error", error), this.#logger);
    const taker = takerOf(handler, (cause) => failures.failed(cause));
    const { weight = 1, labels = {}, protocol = taker.protocol } = options;
    // The schema is some 15 ms of work, and what we chose ourselves needs none.
    if (options.weight !== undefined || options.labels !== undefined || options.protocol !== undefined) {
      checkServing(name, { weight, labels, protocol });
    }
    const target = new HandlerTarget({ service: name, protocol, taker, failures, now: () => systemClock.now() });
    this.#engine.serve({ name, protocol, weight, labels }, target);
  }

  unregister(service: string): void {
    this.#engine.unregister(wireServiceName(service));
  }

  view(): NodeView {
    return this.#engine.view();
  }

  readiness(): Readiness {
    return this.#engine.readiness();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #hasStopped(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.tell("stopped");
  }
}

/** The bounds are those of a configuration's services. */
function checkServing(service: string, { weight, labels, protocol }: Required<ServeOptions>): void {
  if (!["tcp", "http/1.1"].includes(protocol)) {
    throw invalid(`service "${service}": protocol: expected "tcp" or "http/1.1" (got ${shown(protocol)})`);
  }
  configOf({ services: { [service]: { target: "tcp://127.0.0.1:1", weight, labels } } });
}

/** Only what resolving made has its services as a list. */
function isResolved(config: ConfigInput | NodeConfig): config is NodeConfig {
  return isObject(config) && Array.isArray(config.services) && Object.isFrozen(config);
}
