/** The services of this node: their targets, their health, and what is announced of them. */
import { type Clock, CoarseClock, type Logger } from "../base/clock.ts";
import { PolarityError } from "../base/errors.ts";
import { inBackground } from "../base/internal-error.ts";
import type { StreamProtocol } from "../base/upstream.ts";
import { Health } from "../balance/health.ts";
import type { TargetAddress } from "../base/address.ts";
import type { QuietLog } from "../base/quiet-log.ts";
import type { ServiceConfig } from "../config/node-config.ts";
import type { Announcement } from "../registry/announcement.ts";
import { LOCAL_IDENTITY } from "../base/identity.ts";
import { AppTally } from "../registry/app-tally.ts";
import type { Registry } from "../registry/registry.ts";
import { DatagramCounters } from "../registry/datagram-counters.ts";
import { ServerTallies } from "../registry/server-tallies.ts";
import type { NameResolver } from "../socket/name-resolver.ts";
import { HTTP2_ALPN, HTTP_ALPN } from "../socket/tls-settings.ts";
import { AnalyzedTarget } from "../target/analyzed-target.ts";
import { AppTls, type AppTlsOptions } from "../target/app-tls.ts";
import { CountedTarget } from "../target/counted-target.ts";
import { checkHealth } from "../target/health-check.ts";
import { Http2Target } from "../target/http2-target.ts";
import { FanOutTarget } from "../target/fan-out-target.ts";
import { HttpTarget } from "../target/http-target.ts";
import { LocalUpstream } from "../target/local-upstream.ts";
import type { Target, TargetContext } from "../target/target.ts";
import { TcpTarget } from "../target/tcp-target.ts";
import { UdpTarget } from "../target/udp-target.ts";
import type { Analyses } from "./analyses.ts";
import { configKey, shapeKey } from "./config-key.ts";

/** Who hears of changes, to tell the links. */
export interface AnnouncementEvents {
  announced(announcement: Announcement): void;
  withdrawn(service: string): void;
}

export interface LocalServicesOptions {
  readonly node: string;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly quiet: QuietLog;
  readonly random: () => number;
  readonly names: NameResolver;
  readonly analyses: Analyses;
  readonly events: AnnouncementEvents;
}

/** A service whose target the program brings itself. */
export interface ServedService {
  readonly name: string;
  readonly protocol: StreamProtocol;
  readonly weight: number;
  readonly labels: Readonly<Record<string, string>>;
}

interface LocalService {
  /** At run time, not by the configuration. */
  readonly registered: boolean;
  /** Of its configuration, but for what files hold, and of that. */
  readonly key: string;
  contents: string;
  readonly tls: AppTls | undefined;
  readonly target: Target;
  readonly health: Health | undefined;
  announcement: Announcement;
}

/** What apps may send as a head; the same bounds as for clients. */
const HEAD_BYTES_MAX = 64 * 1024;
const HEAD_LIMITS = { targetBytesMax: 64 * 1024, fieldCountMax: 1000 };

/** Apps of datagrams that are not there. */

export class LocalServices {
  readonly #options: LocalServicesOptions;
  readonly #upstream: LocalUpstream;
  readonly #services = new Map<string, LocalService>();
  /** Targets of services that are gone, until their last stream ends. */
  readonly #retired = new Set<Target>();
  /** The timeouts of targets are judged in ticks, so they are measured in ticks. */
  readonly #coarse: CoarseClock;

  constructor(options: LocalServicesOptions) {
    this.#options = options;
    this.#coarse = new CoarseClock(options.clock.now());
    this.#upstream = new LocalUpstream(options.node, (service) => this.#services.get(service)?.target);
  }

  get announcements(): readonly Announcement[] {
    return [...this.#services.values()].map((service) => service.announcement);
  }

  /** Streams being served now. */
  get active(): number {
    let active = 0;
    for (const { target } of this.#services.values()) active += target.active;
    for (const target of this.#retired) active += target.active;
    return active;
  }

  find(service: string): { readonly target: Target; readonly announcement: Announcement } | undefined {
    return this.#services.get(service);
  }

  /** Adds a service beside those of the configuration, or in place of one that was added. Throws NAME_TAKEN. */
  register(config: ServiceConfig): void {
    this.#refuseConfigured(config.name);
    this.#add(config, true);
  }

  /** Throws SERVICE_UNKNOWN, and NAME_TAKEN for one of the configuration. Streams under way go on. */
  unregister(name: string): void {
    this.#refuseConfigured(name);
    this.#remove(name);
  }

  /** Throws NAME_TAKEN and what else the registry says. */
  #add(config: ServiceConfig, registered: boolean): void {
    const [key, contents] = [shapeKey(config), configKey(config.tls)];
    const present = this.#services.get(config.name);
    if (present?.key === key && present.registered === registered) {
      // Other certificates make no other service: what runs and is known of its health stays.
      if (present.contents !== contents) present.tls?.update(this.#tlsOptions(config));
      present.contents = contents;
      return;
    }
    const tls = this.#createTls(config);
    const health = this.#createHealth(config, tls);
    const announcement: Announcement = {
      service: config.name,
      weight: config.weight,
      protocol: config.protocol,
      labels: config.labels,
      health: health === undefined || health.up ? "up" : "down",
      fanOut: config.fanOut,
    };
    this.#put({ registered, key, contents, tls, target: this.#createTapped(config, tls), health, announcement });
  }

  /** Adds a service that the program serves itself, as `register` does. */
  serve(service: ServedService, target: Target): void {
    const { name, protocol, weight, labels } = service;
    this.#refuseConfigured(name);
    const announcement: Announcement = { service: name, protocol, weight, labels, health: "up" };
    const none = { key: "", contents: "", tls: undefined, health: undefined };
    this.#put({ registered: true, ...none, target, announcement });
  }

  #remove(name: string): void {
    const service = this.#services.get(name);
    if (service === undefined) throw new PolarityError("SERVICE_UNKNOWN", `this node has no service "${name}"`);
    this.#services.delete(name);
    this.#options.registry.withdraw(this.#upstream, name);
    this.#options.events.withdrawn(name);
    this.#retire(service);
  }

  /** Makes the configuration's services just those of `configs`; they come before what was registered. */
  configure(configs: readonly ServiceConfig[]): void {
    const wanted = new Set(configs.map(({ name }) => name));
    for (const [name, { registered }] of this.#services) if (!registered && !wanted.has(name)) this.#remove(name);
    for (const config of configs) {
      const { name } = config;
      if (this.#services.get(name)?.registered === true) {
        this.#options.logger.warn(
          { service: name },
          `the configuration's service "${name}" replaces the registered one`,
        );
      }
      this.#add(config, false);
    }
  }

  tick(now: number): void {
    this.#coarse.tick(now);
    for (const { target, health } of this.#services.values()) {
      target.sweep(now);
      health?.tick(now);
    }
    for (const target of this.#retired) {
      target.sweep(now);
      if (target.active > 0) continue;
      target.close(new PolarityError("NODE_STOPPED", "the service was removed"));
      this.#retired.delete(target);
    }
  }

  /** What has no end of its own, as datagrams have none, ends as soon as nothing passes. */
  drain(): void {
    for (const { target } of this.#services.values()) target.drain?.();
    for (const target of this.#retired) target.drain?.();
  }

  close(error: PolarityError): void {
    for (const { target } of this.#services.values()) target.close(error);
    for (const target of this.#retired) target.close(error);
  }

  #put(service: LocalService): void {
    const { announcement } = service;
    const added = this.#options.registry.add(this.#upstream, LOCAL_IDENTITY, 0, announcement);
    if (added.kind === "refused") throw added.error;
    this.#retire(this.#services.get(announcement.service));
    this.#services.set(announcement.service, service);
    this.#options.events.announced(announcement);
  }

  #refuseConfigured(name: string): void {
    if (this.#services.get(name)?.registered !== false) return;
    const remedy = "change it there and reload";
    throw new PolarityError("NAME_TAKEN", `service "${name}" is in the configuration of this node: ${remedy}`);
  }

  #retire(service: LocalService | undefined): void {
    if (service === undefined) return;
    service.target.drain?.();
    this.#retired.add(service.target);
  }

  #createTls(config: ServiceConfig): AppTls | undefined {
    const { name, targets, tls } = config;
    const target = targets.find(usesTls);
    if (target === undefined) return undefined;
    if (tls.insecureSkipVerify) {
      this.#options.logger.warn(
        { service: name },
        `tls.insecureSkipVerify: nobody checks that ${target.url} is who it says; whoever sits in between can read and change everything`,
      );
    }
    return new AppTls(this.#tlsOptions(config));
  }

  #tlsOptions({ protocol, http2, tls }: ServiceConfig): AppTlsOptions {
    return {
      ca: tls.ca?.text,
      cert: tls.cert?.text,
      key: tls.key?.text,
      serverName: tls.serverName,
      insecureSkipVerify: tls.insecureSkipVerify,
      protocols: http2 ? [HTTP2_ALPN] : protocol === "http/1.1" ? [HTTP_ALPN] : [],
    };
  }

  #createTapped(config: ServiceConfig, tls: AppTls | undefined): Target {
    const target = this.#createTarget(config, tls);
    const analysis = this.#options.analyses.ofService(config);
    const tapped = analysis === undefined ? target : new AnalyzedTarget(target, analysis);
    return new CountedTarget(tapped, () => this.#tally(config.name));
  }

  #tally(service: string): AppTally {
    return this.#options.registry.statistics(service)?.app ?? new AppTally();
  }

  /** Whoever runs this node is who can mend its apps, so the log here says it too, and not only the asker's. */
  #appFailed(service: string, target: string, error: PolarityError): void {
    const { clock, quiet } = this.#options;
    this.#tally(service).failed(error, clock.now());
    const fields = { service, target, code: error.code };
    quiet.log(`app-failed ${service} ${error.code}`, "warn", fields, `service "${service}": ${error.message}`);
  }

  #createTarget(config: ServiceConfig, tls: AppTls | undefined): Target {
    const { name, targets, fanOut, protocol } = config;
    const created = targets.map((address) => this.#createOne(address, config, usesTls(address) ? tls : undefined));
    if (fanOut === undefined || created.length === 1) return created[0]!;
    const tallies = (): ServerTallies => this.#options.registry.statistics(name)?.servers ?? new ServerTallies();
    return new FanOutTarget({
      service: name,
      protocol,
      policy: fanOut,
      targets: created,
      clock: this.#options.clock,
      tallies,
    });
  }

  #createOne(address: TargetAddress, config: ServiceConfig, tls: AppTls | undefined): Target {
    const { names } = this.#options;
    const failed = (error: PolarityError): void => this.#appFailed(config.name, address.url, error);
    const context: TargetContext = { clock: this.#coarse, names, failed };
    const { connectTimeoutMs, responseTimeoutMs, stallTimeoutMs, keepAlive, proxyProtocol } = config;
    if (config.protocol === "udp") {
      const counters = (): DatagramCounters =>
        this.#options.registry.statistics(config.name)?.datagrams ?? new DatagramCounters();
      const refused = (): void => {
        const message = `nobody listens at ${address.url}: datagrams for service "${config.name}" are lost`;
        const fields = { service: config.name, target: address.url };
        this.#options.quiet.log(`nobody-listens ${address.url}`, "warn", fields, message);
      };
      return new UdpTarget(context, { address, ...config.udp, counters, refused });
    }
    if (config.protocol !== "http/1.1")
      return new TcpTarget({ address, tls, names, connectTimeoutMs, proxyProtocol, failed });
    const Served = config.http2 ? Http2Target : HttpTarget;
    return new Served(context, {
      address,
      tls,
      connectTimeoutMs,
      responseTimeoutMs,
      stallTimeoutMs: stallTimeoutMs === 0 ? Number.POSITIVE_INFINITY : stallTimeoutMs,
      idleConnectionsMax: keepAlive.connections,
      idleMs: keepAlive.idleMs,
      proxyProtocol,
      headLimits: HEAD_LIMITS,
      headBytesMax: HEAD_BYTES_MAX,
    });
  }

  #createHealth(config: ServiceConfig, tls: AppTls | undefined): Health | undefined {
    const { clock, quiet, random, names } = this.#options;
    const check = config.health;
    if (check === undefined) return undefined;
    const health: Health = new Health(
      { active: { intervalMs: check.intervalMs, rise: check.rise, fall: check.fall }, passive: undefined, random },
      {
        probe: () => {
          const { http2, proxyProtocol } = config;
          const { path, timeoutMs } = check;
          const common = { names, http2, path, timeoutMs, proxyProtocol };
          const checks = config.targets.map((address) =>
            checkHealth({ address, tls: usesTls(address) ? tls : undefined, ...common }),
          );
          // One that is well will do.
          const judged = Promise.all(checks).then((failures) => {
            const failure = failures.includes(undefined) ? undefined : failures[0];
            if (failure === undefined) health.probePassed(clock.now());
            else health.probeFailed(clock.now(), failure);
          });
          inBackground(judged);
        },
        changed: (up, why) => {
          const { name } = config;
          const message = `service "${name}" is ${up ? "up" : `down: ${why}`}`;
          quiet.log(`health ${up ? "up" : "down"} ${name}`, "info", { service: name, up }, message);
          this.#healthChanged(config.name, health);
        },
      },
      clock.now(),
    );
    return health;
  }

  #healthChanged(name: string, health: Health): void {
    const service = this.#services.get(name);
    if (service === undefined || service.health !== health) return;
    service.announcement = { ...service.announcement, health: health.up ? "up" : "down" };
    this.#options.registry.add(this.#upstream, LOCAL_IDENTITY, 0, service.announcement);
    this.#options.events.announced(service.announcement);
  }
}

function usesTls({ scheme }: TargetAddress): boolean {
  return scheme === "https" || scheme === "tls";
}
