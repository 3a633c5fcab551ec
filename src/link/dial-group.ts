/**
 * Everything that one configured router leads to: itself, each address of its name where that is wanted, and routers that
 * it names, within what the configuration allows.
 *
 * Each has a dialler of its own, so one that cannot be reached backs off alone. What vanishes from the name or from the list
 * is drained. Only the configured router is listened to, and only hosts that the configuration names are dialled: whoever
 * it is that answers gets the token.
 */
import { isIP } from "node:net";
import { type LinkAddress, parseLinkAddress, type Place } from "../base/address.ts";
import { messageOf } from "../base/errors.ts";
import { inBackground } from "../base/internal-error.ts";
import { formatDestination } from "../socket/name-resolver.ts";
import { Dialer, type DialerOptions, type DialerStatus } from "./dialer.ts";
import type { Link } from "./link.ts";
import { proxyFor } from "./proxy-environment.ts";
import { ReconnectDelay } from "./reconnect-delay.ts";

export interface DiscoverOptions {
  readonly max: number;
  /** Hosts besides the configured one: `edge-2.example.com`, or `*.example.com` for any below it. */
  readonly hosts: readonly string[];
}

export interface DialGroupOptions extends DialerOptions {
  /** Keep links to every address of the name. */
  readonly everyAddress: boolean;
  readonly resolveEveryMs: number;
  /** Undefined: other routers are not dialled. */
  readonly discover: DiscoverOptions | undefined;
}

/** More than any name should have; each costs links. */
const ADDRESSES_MAX = 64;

export class DialGroup {
  readonly #options: DialGroupOptions;
  readonly #delay: ReconnectDelay;
  /** The configured router, by address; one without an address where its name is left to the system. */
  readonly #own = new Map<string, Dialer>();
  /** Routers that it named, by URL. */
  readonly #discovered = new Map<string, Dialer>();
  #cost: number;
  #resolving: NodeJS.Timeout | undefined;
  #failure = "";
  #stopped = false;

  constructor(options: DialGroupOptions) {
    this.#options = options;
    this.#cost = options.cost;
    this.#delay = new ReconnectDelay(options.random);
  }

  /** As configured. */
  get url(): string {
    return this.#options.address.url;
  }

  start(): void {
    const { address, everyAddress, environment } = this.#options;
    const { place } = address;
    const named = place.kind === "tcp" && isIP(place.host) === 0;
    // A proxy resolves names itself.
    if (everyAddress && named && proxyFor(address, environment) === undefined) inBackground(this.#resolve(place));
    else this.#keep(this.#own, new Map([["", this.#options]]));
  }

  /** Dials no more. Links that have joined stay until they drain or are closed. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#resolving);
    for (const dialer of this.#dialers) dialer.stop();
  }

  setCost(cost: number): void {
    this.#cost = cost;
    for (const dialer of this.#dialers) dialer.setCost(cost);
  }

  /** What failed before may come about now. */
  hurry(): void {
    for (const dialer of this.#dialers) dialer.hurry();
  }

  get links(): readonly Link[] {
    return this.#dialers.flatMap((dialer) => dialer.links);
  }

  get statuses(): readonly DialerStatus[] {
    return this.#dialers.map((dialer) => dialer.status);
  }

  get #dialers(): readonly Dialer[] {
    return [...this.#own.values(), ...this.#discovered.values()];
  }

  async #resolve(place: Place & { readonly kind: "tcp" }): Promise<void> {
    const { names, resolveEveryMs, context, address } = this.#options;
    let delayMs = resolveEveryMs;
    try {
      const found = await names.current(place);
      if (this.#stopped) return;
      const wanted = new Map<string, DialerOptions>();
      for (const connectTo of found) {
        if (wanted.size < ADDRESSES_MAX) wanted.set(formatDestination(connectTo), { ...this.#options, connectTo });
      }
      this.#keep(this.#own, wanted);
      this.#failure = "";
    } catch (error) {
      if (this.#stopped) return;
      // What was found before is still the best guess.
      const message = `cannot resolve ${place.host}: ${messageOf(error)}`;
      if (message === this.#failure) context.logger.debug({ url: address.url }, message);
      else context.quiet.log(`unresolved ${place.host}`, "warn", { url: address.url }, message);
      this.#failure = message;
      delayMs = Math.min(resolveEveryMs, this.#delay.afterFailure());
    }
    this.#resolving = setTimeout(() => inBackground(this.#resolve(place)), delayMs);
  }

  /** The configured router names others. */
  #advised(urls: readonly string[]): void {
    const { discover } = this.#options;
    if (discover === undefined || this.#stopped) return;
    const wanted = new Map<string, DialerOptions>();
    for (const url of urls) {
      const address = this.#trusted(url, discover);
      if (address !== undefined && wanted.size < discover.max) wanted.set(address.url, { ...this.#options, address });
    }
    this.#keep(this.#discovered, wanted);
  }

  #trusted(url: string, { hosts }: DiscoverOptions): LinkAddress | undefined {
    const { address: own, context } = this.#options;
    let address: LinkAddress;
    try {
      address = parseLinkAddress(url);
    } catch (error) {
      context.logger.debug({ url: own.url }, `${own.url} names a router that is none: ${messageOf(error)}`);
      return undefined;
    }
    if (address.url === own.url || address.place.kind !== "tcp") return undefined;
    const { host } = address.place;
    const allowed = own.place.kind === "tcp" && [own.place.host, ...hosts].some((pattern) => matches(host, pattern));
    if (allowed && (isEncrypted(address) || !isEncrypted(own))) return address;
    const why = allowed ? "it is not encrypted" : "its host is not among discover.hosts";
    context.logger.debug({ url: own.url }, `${own.url} names the router ${address.url}, which is not dialled: ${why}`);
    return undefined;
  }

  /** Makes `dialers` just those of `wanted`. */
  #keep(dialers: Map<string, Dialer>, wanted: ReadonlyMap<string, DialerOptions>): void {
    for (const [key, dialer] of dialers) {
      if (wanted.has(key)) continue;
      dialers.delete(key);
      dialer.stop();
      for (const link of dialer.links) link.drain();
    }
    const advised = dialers === this.#own ? (urls: readonly string[]) => this.#advised(urls) : undefined;
    for (const [key, options] of wanted) {
      if (dialers.has(key)) continue;
      const dialer = new Dialer({ ...options, cost: this.#cost, advised });
      dialers.set(key, dialer);
      dialer.start();
    }
  }
}

function isEncrypted({ transport }: LinkAddress): boolean {
  return transport === "tls" || transport === "wss";
}

function matches(host: string, pattern: string): boolean {
  const wanted = pattern.toLowerCase();
  return wanted.startsWith("*.") ? host.endsWith(wanted.slice(1)) && host.length > wanted.length - 1 : host === wanted;
}
