/**
 * Where datagrams come in: what one address and port sends is an association, one session with one service, as long as
 * something passes.
 *
 * An association that has lost its service's side is over; the next datagram of its client begins another, so clients need
 * do nothing when links or apps come back. One that is idle, or whose node drains or falls silent while another could
 * serve, is ended for the same reason.
 */
import type { ListenerAddress } from "../base/address.ts";
import { frameRoom } from "../base/datagram-frames.ts";
import { PolarityError } from "../base/errors.ts";
import type { Holding } from "../base/held-memory.ts";
import { internalError } from "../base/internal-error.ts";
import type { FanOutChoice } from "../base/fan-out-policy.ts";
import { StreamRequest, type Upstream } from "../base/upstream.ts";
import { type Rate, TokenBucket } from "../balance/token-bucket.ts";
import type { DatagramCounters, DatagramDrop } from "../registry/datagram-counters.ts";
import { ListenerStatistics } from "../registry/service-statistics.ts";
import { ExchangeJournal } from "../session/exchange-journal.ts";
import { StreamSession, type StreamSessionEvents } from "../session/stream-session.ts";
import { type DatagramEvents, DatagramSocket } from "../socket/datagram-socket.ts";
import { type AccessLog, writeStreamRecord } from "./access-log.ts";
import { AssociationTable } from "./association-table.ts";
import { type ActiveSession, activeSession, type Listener, type ListenerContext } from "./listener.ts";
import { type RateOptions, RequestRates } from "./request-rates.ts";
import { clientAt } from "./server-socket.ts";
import type { TrustedNetworks } from "./trusted-networks.ts";
import { type AssociationHost, type AssociationSettings, UdpAssociation } from "./udp-association.ts";

export interface UdpListenerOptions {
  readonly address: ListenerAddress;
  readonly service: string;
  readonly node: string | undefined;
  readonly accessLog: AccessLog | undefined;
  readonly fanOut: FanOutChoice;
  readonly waitForOfferMs: number;
  /** Of associations that begin: of each client, and of all together. */
  readonly rates: RateOptions;
  readonly newAssociations: Rate | undefined;
  readonly trusted: TrustedNetworks;
  readonly associations: AssociationSettings;
}

const SWEEP_MS = 200;
/** While the listener drains, who is silent for so long has nothing to finish. */
const DRAIN_QUIET_MS = 1_000;
/** An association that failed sooner than this is not begun again sooner than this. */
const FAILS_FAST_MS = 200;
/** How long the service's side may take to end once the client's has. */
const ENDING_MS = 10_000;

export class UdpListener implements Listener, StreamSessionEvents, AssociationHost, DatagramEvents {
  readonly statistics = new ListenerStatistics();
  readonly counters: DatagramCounters = this.statistics.datagrams;
  readonly room = frameRoom();
  waitingBytes = 0;
  readonly #context: ListenerContext;
  readonly #table = new AssociationTable<UdpAssociation>();
  readonly #sessions = new Map<StreamSession, UdpAssociation>();
  /** Sessions whose client's side has ended, oldest first, with since when. */
  readonly #ending = new Map<UdpAssociation, number>();
  #options: UdpListenerOptions;
  #rates: RequestRates | undefined;
  #newAssociations: TokenBucket | undefined;
  #socket: DatagramSocket | undefined;
  #url: string;
  #draining = false;
  #sweptAt = Number.NEGATIVE_INFINITY;

  constructor(context: ListenerContext, options: UdpListenerOptions) {
    this.#context = context;
    this.#options = options;
    this.#url = options.address.url;
    this.#setRates(options);
  }

  async start(): Promise<void> {
    const { place } = this.#options.address;
    if (place.kind !== "tcp") throw new Error("a udp listener has a host and a port");
    this.#socket = await DatagramSocket.listen(place, this);
    this.#url = `udp://${this.#socket.address}`;
  }

  /** Takes new settings; the address stays. Associations under way keep the old ones. */
  update(options: UdpListenerOptions): void {
    this.#options = options;
    this.#setRates(options);
  }

  get url(): string {
    return this.#url;
  }

  get connectionsOpen(): number {
    return this.#sessions.size;
  }

  get sessionsActive(): number {
    return this.#sessions.size;
  }

  holdings(): Iterable<Holding> {
    return this.#sessions.keys();
  }

  sessions(max: number): ActiveSession[] {
    return [...this.#sessions.keys().take(max)].map(activeSession);
  }

  /** Datagrams can be told nothing. */
  windDown(): void {}

  /** Begins no associations any more; those under way go on, and end when they fall silent. */
  drain(): void {
    this.#draining = true;
    this.#closeWhenDone();
  }

  /** Another listener wants the place. */
  vacate(): void {
    this.#draining = true;
    for (const association of this.#sessions.values()) this.#expire(association);
    this.#socket?.close();
  }

  close(error: PolarityError): number {
    this.#draining = true;
    const cut = this.#sessions.size;
    for (const session of this.#sessions.keys()) session.abort(error);
    this.#socket?.close();
    return cut;
  }

  sweep(now: number): void {
    if (now - this.#sweptAt < SWEEP_MS) return;
    this.#sweptAt = now;
    this.#rates?.sweep(now);
    const quietMs = this.#draining ? DRAIN_QUIET_MS : Number.POSITIVE_INFINITY;
    this.#table.sweep(now, quietMs, (association) => this.#expire(association));
    for (const [session, association] of this.#sessions) {
      const since = this.#ending.get(association);
      if (since === undefined) {
        if (session.offer?.usable === false && this.#mayMove(session)) this.#expire(association);
      } else if (now - since >= ENDING_MS) {
        session.abort(new PolarityError("TARGET_TIMEOUT", `the association did not end within ${ENDING_MS} ms`));
      }
    }
  }

  /** Datagrams may be lost, so nothing is: associations begin anew with who is well. */
  upstreamSuspect(upstream: Upstream): void {
    for (const session of this.#sessions.keys()) {
      if (session.offer?.upstream !== upstream || !this.#mayMove(session)) continue;
      session.abort(new PolarityError("LINK_TIMEOUT", `node "${upstream.node}" fell silent`));
    }
  }

  // ── DatagramEvents ──

  received(datagram: Buffer, host: string, port: number): void {
    try {
      (this.#table.find(host, port) ?? this.#begin(host, port))?.receive(datagram);
    } catch (thrown) {
      internalError("udp", thrown);
      const association = this.#table.find(host, port);
      if (association !== undefined) this.#expire(association);
    }
  }

  dropped(reason: DatagramDrop): void {
    this.counters.countDrop(reason);
  }

  // ── AssociationHost ──

  now(): number {
    return this.#context.sessions.clock.now();
  }

  send(datagram: Buffer, host: string, port: number): void {
    this.#socket?.send(datagram, host, port);
  }

  heldBack({ client }: UdpAssociation): void {
    const { factor } = this.#options.associations.amplification;
    const message = `an answer to ${client} was dropped: it would be sent more than ${factor} times what it sent`;
    this.#context.quiet.log(
      `held-back ${this.url}`,
      "warn",
      { listener: this.url, client },
      `${message} (udp.amplification)`,
    );
  }

  left(association: UdpAssociation): void {
    this.#table.remove(association);
    this.#ending.set(association, this.now());
  }

  // ── StreamSessionEvents ──

  finished(session: StreamSession, error: PolarityError | undefined): void {
    const association = this.#sessions.get(session)!;
    this.#sessions.delete(session);
    this.#ending.delete(association);
    this.#table.remove(association);
    association.release();
    if (error !== undefined) this.#restIfFast(session, association);
    this.statistics.connectionsOpen--;
    const { accessLog, trusted } = this.#options;
    if (accessLog !== undefined) {
      const source = { log: accessLog, listener: this.url, trusted };
      writeStreamRecord(source, session, clientOf(association.host, association.port).host, error, this.now());
    }
    if (this.#draining) this.#closeWhenDone();
    if (error === undefined) return;
    const { service, client } = session.request;
    this.#context.quiet.log(
      `failed ${service} ${error.code}`,
      "warn",
      { listener: this.url, service, client, code: error.code },
      error.message,
    );
  }

  // ── associations ──

  #begin(host: string, port: number): UdpAssociation | undefined {
    const { service, node, waitForOfferMs, accessLog, fanOut, associations } = this.#options;
    const refusal = this.#refusal(host);
    if (refusal !== undefined) {
      this.#refuse(refusal, host, port);
      return undefined;
    }
    const client = clientOf(host, port);
    const association = new UdpAssociation(this, associations, { host, port }, client.text);
    const session = new StreamSession(
      this.#context.sessions,
      association,
      new StreamRequest(service, "udp", client.text, node, waitForOfferMs),
      node,
      waitForOfferMs,
      this.statistics,
      this,
      accessLog && new ExchangeJournal(),
      fanOut,
    );
    this.statistics.connections++;
    this.statistics.connectionsOpen++;
    this.#table.add(association);
    this.#sessions.set(session, association);
    session.start();
    if (this.#sessions.has(session)) return association;
    // Nobody is there, nor may be waited for.
    this.counters.countDrop("unserved");
    return undefined;
  }

  #refusal(host: string): DatagramDrop | undefined {
    if (this.#draining) return "draining";
    const { associations } = this.#options;
    // Those that are ending hold their streams still.
    if (this.#sessions.size >= associations.associationsMax) return "associations";
    const full = this.#table.refusal(host, associations);
    if (full !== undefined) return full;
    const now = this.now();
    // Each client's own rate first: each datagram asks anew, and who asks too often must not use up what is for all.
    if (this.#rates !== undefined && this.#rates.refuses(clientOf(host, 0).host, now) !== undefined) return "rate";
    return this.#newAssociations === undefined || this.#newAssociations.take(now) === 0 ? undefined : "rate";
  }

  #refuse(reason: DatagramDrop, host: string, port: number): void {
    this.counters.countDrop(reason);
    this.statistics.connectionsRefused++;
    const { text: client } = clientOf(host, port);
    const message = `datagrams of ${client} are dropped, ${REFUSALS[reason] ?? reason}`;
    this.#context.quiet.log(`datagrams ${this.url} ${reason}`, "warn", { listener: this.url, client, reason }, message);
  }

  /** Nobody is to look for an app for each datagram of a client in haste. */
  #restIfFast({ startedAt, bytesOut }: StreamSession, association: UdpAssociation): void {
    const { host, port } = association;
    if (bytesOut > 0 || this.now() - startedAt >= FAILS_FAST_MS || this.#table.find(host, port) !== undefined) return;
    association.rest(FAILS_FAST_MS);
    this.#table.add(association);
  }

  #expire(association: UdpAssociation): void {
    this.#table.remove(association);
    if (association.over) return;
    if (!this.#ending.has(association)) this.#ending.set(association, this.now());
    association.expire();
  }

  /** Somebody else could serve it. Of a one-to-N session each server comes and goes by itself. */
  #mayMove({ request, offer, sides }: StreamSession): boolean {
    if (offer === undefined || sides !== undefined) return false;
    const { registry } = this.#context.sessions;
    return registry.pick(request.service, "udp", [offer], request.node).kind === "picked";
  }

  #closeWhenDone(): void {
    if (this.#sessions.size === 0) this.#socket?.close();
  }

  #setRates({ rates, trusted, newAssociations }: UdpListenerOptions): void {
    const now = this.now();
    this.#rates = RequestRates.of(rates, trusted, now, this.#rates);
    const same = JSON.stringify(this.#newAssociations?.rate) === JSON.stringify(newAssociations);
    if (!same) this.#newAssociations = newAssociations && new TokenBucket(newAssociations, now);
  }
}

const REFUSALS: Readonly<Partial<Record<DatagramDrop, string>>> = {
  associations: "as there are as many associations as there may be (udp.associations)",
  "client-associations": "as its address has as many associations as it may have (udp.associationsPerClient)",
  rate: "as associations begin more often than they may (limits.rate, limits.rateTotal, limits.connectionRate)",
  draining: "as the listener takes nothing new",
};

/** IPv4 also where it came mapped into IPv6. */
function clientOf(host: string, port: number) {
  const plain = host.startsWith("::ffff:") && host.includes(".") ? host.slice("::ffff:".length) : host;
  return clientAt(plain, port);
}
