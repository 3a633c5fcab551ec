/**
 * Keeps a number of links to one address, for ever.
 *
 * Each place for a link is on its own: it dials, joins, and dials again when the link ends. A link that drains is replaced
 * first: its place dials another, and only then, or when that failed, the old one stops taking streams.
 */
import type { LinkAddress } from "../base/address.ts";
import { messageOf, PolarityError } from "../base/errors.ts";
import { inBackground } from "../base/internal-error.ts";
import type { Destination } from "../socket/connection-race.ts";
import { formatDestination, type NameResolver } from "../socket/name-resolver.ts";
import { dialTransport, type TlsClientOptions } from "./dial-transport.ts";
import { JoinedLink } from "./joined-link.ts";
import { LinkDemand, type LinkUse } from "./link-demand.ts";
import type { LinkContext, LinkOwner } from "./link-context.ts";
import type { Link } from "./link.ts";
import { type Environment, proxyFor } from "./proxy-environment.ts";
import { ReconnectDelay } from "./reconnect-delay.ts";

export interface DialerOptions {
  readonly address: LinkAddress;
  /** Where to go; left out, wherever the address's name leads. */
  readonly connectTo?: Destination | undefined;
  /** Who finds that out. */
  readonly names: NameResolver;
  /** The router names others that are worth joining, each time all of them. */
  readonly advised?: ((routers: readonly string[]) => void) | undefined;
  /** How many links to keep. */
  readonly links: number;
  /** How many more while those are well used; none unless said. */
  readonly extraLinks?: number | undefined;
  /** To begin with. */
  readonly cost: number;
  /** What this side can do beyond the first version of the protocol; read for each link. */
  readonly features?: () => readonly string[];
  readonly token: string | undefined;
  /** What to show and to trust, where that may change; read for each attempt, instead of `token` and `tls`. */
  readonly credentials?: (() => DialCredentials) | undefined;
  /** Who the node that is dialled is to this one; undefined: whoever its certificate says. */
  readonly identity?: string | undefined;
  readonly tls: TlsClientOptions;
  /** Where HTTPS_PROXY and the like are looked up. */
  readonly environment: Environment;
  /** From 0 up to 1; spreads reconnects. */
  readonly random: () => number;
  readonly context: LinkContext;
  /** An attempt failed; called for each. */
  failed?(error: PolarityError): void;
}

export type DialCredentials = Pick<DialerOptions, "token" | "tls">;

export interface DialerStatus {
  readonly url: string;
  readonly wanted: number;
  readonly joined: number;
  /** Why the newest attempt failed; undefined since one succeeded. */
  readonly failure: string | undefined;
}

export class Dialer {
  readonly #options: DialerOptions;
  readonly #places: LinkPlace[] = [];
  readonly #demand: LinkDemand;
  readonly #report: DialReport;
  readonly #price: Price;
  #stopped = false;

  constructor(options: DialerOptions) {
    this.#options = options;
    this.#report = new DialReport(options);
    this.#price = { cost: options.cost };
    this.#demand = new LinkDemand(options.links, options.links + (options.extraLinks ?? 0));
    while (this.#places.length < options.links) this.#addPlace();
  }

  /** What its links cost from now on, those that are there and those to come. */
  setCost(cost: number): void {
    this.#price.cost = cost;
    for (const link of this.links) link.setCost(cost);
  }

  start(): void {
    for (const place of this.#places) place.start();
  }

  /** What failed before may come about now: whoever waits to dial again dials at once. */
  hurry(): void {
    for (const place of this.#places) place.hurry();
  }

  /** Dials no more. Links that have joined stay until they drain or are closed. */
  stop(): void {
    this.#stopped = true;
    for (const place of this.#places) place.stop();
  }

  get links(): readonly Link[] {
    return this.#places.flatMap((place) => place.links);
  }

  get status(): DialerStatus {
    const { links: wanted } = this.#options;
    return { url: this.#report.where, wanted, joined: this.links.length, failure: this.#report.failure };
  }

  #addPlace(): LinkPlace {
    const place = new LinkPlace(this.#options, this.#price, this.#report, () => this.#adjust());
    this.#places.push(place);
    return place;
  }

  /** How much the links are used was told. */
  #adjust(): void {
    if (this.#stopped) return;
    const { context, extraLinks = 0 } = this.#options;
    if (extraLinks === 0) return;
    const places = this.#places;
    const uses = places.map(({ use }) => use);
    const wanted = this.#demand.wanted(uses, context.clock.now());
    if (wanted > places.length) {
      const used = uses.map((use) => `${Math.floor((use ?? 0) * 100)}%`).join(", ");
      const message = `the links to ${this.#report.where} are well used (${used}): another is opened`;
      context.quiet.log(`more-links ${this.#report.where}`, "info", {}, message);
      this.#addPlace().start();
    } else if (wanted < places.length) {
      const place = places.pop()!;
      const message = `one link less to ${this.#report.where} is enough again`;
      context.quiet.log(`fewer-links ${this.#report.where}`, "info", {}, message);
      place.stop();
      for (const link of place.links) link.drain();
    }
  }
}

/** What links of this dialler cost; all of its places read it. */
interface Price {
  cost: number;
}

/** One place for a link: at most one attempt under way, one link in use, and links that were replaced and drain. */
class LinkPlace implements LinkOwner {
  readonly #options: DialerOptions;
  readonly #price: Price;
  readonly #report: DialReport;
  readonly #delay: ReconnectDelay;
  readonly #told: () => void;
  /** Of its link. */
  use: LinkUse;
  /** The attempt under way: dialling, or in the handshake. */
  #attempt: AbortController | undefined;
  #joining: Link | undefined;
  #retry: NodeJS.Timeout | undefined;
  #current: Link | undefined;
  #joinedAt = 0;
  /** Links that wait for the attempt under way before they drain. */
  readonly #toReplace = new Set<Link>();
  readonly #links = new Set<Link>();
  #stopped = false;

  /** `told`: `use` is news. */
  constructor(options: DialerOptions, price: Price, report: DialReport, told: () => void) {
    this.#told = told;
    this.#options = options;
    this.#price = price;
    this.#report = report;
    this.#delay = new ReconnectDelay(options.random);
  }

  get links(): readonly Link[] {
    return [...this.#links];
  }

  start(): void {
    inBackground(this.#dial());
  }

  hurry(): void {
    if (this.#current === undefined) void this.#dial();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#retry);
    const stopped = new PolarityError("NODE_STOPPED", "this node stops dialling");
    this.#attempt?.abort(stopped);
    this.#joining?.close(stopped);
    this.#drainReplaced();
  }

  // ── LinkOwner ──

  joined(link: Link): void {
    this.#joining = undefined;
    this.#current = link;
    this.#joinedAt = this.#options.context.clock.now();
    this.#links.add(link);
    // It may have changed during the handshake.
    link.setCost(this.#price.cost);
    this.#report.joined(link);
    this.#drainReplaced();
  }

  replace(link: Link): void {
    if (this.#stopped || link !== this.#current) {
      link.drain();
      return;
    }
    this.#current = undefined;
    this.use = undefined;
    this.#toReplace.add(link);
    // Not simply at once: a peer that drains every link it gets must not be dialled in a tight loop.
    this.#dialAfter(this.#delay.afterLink(this.#options.context.clock.now() - this.#joinedAt));
  }

  closed(link: Link, error: PolarityError, wasJoined: boolean): void {
    this.#links.delete(link);
    this.#toReplace.delete(link);
    if (!wasJoined) {
      this.#joining = undefined;
      this.#failed(error);
      return;
    }
    this.#report.left(link, error);
    if (link !== this.#current) return;
    this.#current = undefined;
    this.use = undefined;
    this.#dialAfter(this.#delay.afterLink(this.#options.context.clock.now() - this.#joinedAt));
  }

  used(link: Link, use: number): void {
    if (link !== this.#current) return;
    this.use = use;
    this.#told();
  }

  // ── dialling ──

  async #dial(): Promise<void> {
    if (this.#stopped || this.#attempt !== undefined || this.#joining !== undefined) return;
    clearTimeout(this.#retry);
    const { address, connectTo, names, environment, context, identity, features, advised } = this.#options;
    const { token, tls } = this.#options.credentials?.() ?? this.#options;
    const { handshakeMs, websocketMessageBytesMax } = context.limits;
    const attempt = new AbortController();
    this.#attempt = attempt;
    const deadline = setTimeout(() => {
      attempt.abort(new Error(`no connection within ${handshakeMs} ms`));
    }, handshakeMs);
    try {
      const proxy = proxyFor(address, environment);
      const { signal } = attempt;
      const options = { address, connectTo, names, tls, proxy, websocketMessageBytesMax, signal };
      const transport = await dialTransport(options);
      this.#attempt = undefined;
      if (attempt.signal.aborted) {
        transport.destroy();
        if (!this.#stopped)
          this.#failed(new PolarityError("LINK_UNREACHABLE", `cannot reach ${address.url}: too late`));
        return;
      }
      const { cost } = this.#price;
      const side = { kind: "dialler", token, identity, cost, features: features?.() ?? [], advised } as const;
      const link = new JoinedLink(transport, side, context, this, handshakeMs);
      this.#joining = link;
      link.start();
    } catch (error) {
      this.#attempt = undefined;
      this.#failed(
        error instanceof PolarityError ? error : new PolarityError("LINK_UNREACHABLE", messageOf(error), error),
      );
    } finally {
      clearTimeout(deadline);
    }
  }

  #failed(error: PolarityError): void {
    if (this.#stopped) return;
    const rejected = error.code === "AUTH_FAILED";
    this.#report.failed(error, rejected);
    // There is nothing to replace them with; whoever asked need not wait longer.
    this.#drainReplaced();
    this.#dialAfter(rejected ? this.#delay.afterRejection() : this.#delay.afterFailure());
  }

  #dialAfter(delayMs: number): void {
    if (this.#stopped) return;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => inBackground(this.#dial()), delayMs);
  }

  #drainReplaced(): void {
    for (const link of this.#toReplace) link.drain();
    this.#toReplace.clear();
  }
}

/** Says once what goes wrong and once that it is over, however many attempts lie between. */
class DialReport {
  readonly #options: DialerOptions;
  #failure: string | undefined;

  constructor(options: DialerOptions) {
    this.#options = options;
  }

  /** For people. */
  get where(): string {
    const { address, connectTo } = this.#options;
    if (connectTo === undefined) return address.url;
    const { place } = address;
    const isPlain = place.kind === "tcp" && place.records === undefined;
    return `${address.url} (${isPlain ? connectTo.host : formatDestination(connectTo)})`;
  }

  get failure(): string | undefined {
    return this.#failure;
  }

  joined(link: Link): void {
    this.#failure = undefined;
    const { context } = this.#options;
    const { node } = link.peer;
    const message = `joined node "${node}" at ${this.where}`;
    context.quiet.log(`joined-at ${this.where}`, "info", { link: link.id, node }, message);
  }

  left(link: Link, error: PolarityError): void {
    const { context } = this.#options;
    const fields = { link: link.id, node: link.peer.node, code: error.code };
    const message = `the link to node "${link.peer.node}" at ${this.where} ended: ${error.message}`;
    context.quiet.log(`ended-at ${this.where} ${error.code}`, "info", fields, message);
  }

  failed(error: PolarityError, rejected: boolean): void {
    const { context } = this.#options;
    this.#options.failed?.(error);
    const repeated = this.#failure === error.message;
    this.#failure = error.message;
    const fields = { url: this.where, code: error.code };
    const message = rejected
      ? `${this.where} rejected this node: ${error.message}; retrying every 30 s`
      : `waiting for ${this.where}: ${error.message}; retrying`;
    if (repeated) context.logger.debug(fields, message);
    else context.quiet.log(`undialled ${this.where} ${error.code}`, "warn", fields, message);
  }
}
