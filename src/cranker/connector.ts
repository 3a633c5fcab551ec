/**
 * One connector instance that serves one route of one domain: an upstream, whose websockets carry its requests.
 *
 * Where it speaks 3.0, requests share its tunnels, the least loaded first. Where it speaks 1.0, each takes a socket that
 * waits for one, and without one the connector cannot be used until it has opened another.
 */
import type { ByteSink, ByteStream } from "../base/byte-stream.ts";
import { DenseSet } from "../base/dense-set.ts";
import type { PolarityError } from "../base/errors.ts";
import type { StreamRequest, Upstream } from "../base/upstream.ts";
import { payerOf } from "../link/link-holders.ts";
import type { OpenCarrier } from "./carrier.ts";
import type { CrankerSocket } from "./cranker-socket.ts";
import { CrankerStream, type StreamHost } from "./cranker-stream.ts";
import type { MessageSocketUser } from "./message-socket.ts";
import type { CrankerVersion, Registration } from "./registration.ts";
import { SingleSocket, type SingleSocketOwner } from "./single-socket.ts";
import { Tunnel, type TunnelOwner } from "./tunnel.ts";

/** Who keeps the connectors. */
export interface ConnectorOwner {
  /** Whether it takes requests now. `why` not, for people. */
  usable(connector: CrankerConnector, usable: boolean, why: string): void;
  /** It serves nothing any more, but what is under way. */
  retired(connector: CrankerConnector): void;
  /** Its last websocket has closed. */
  gone(connector: CrankerConnector): void;
  misbehaved(connector: CrankerConnector, why: string): void;
}

export interface ConnectorStatistics {
  readonly streamsOpen: number;
  readonly streamsTotal: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** Why a connector of 1.0 cannot be used for a moment. */
export const NO_IDLE_SOCKET = "no idle socket";

let connectorsCreated = 0;

export class CrankerConnector implements Upstream, StreamHost, TunnelOwner, SingleSocketOwner {
  readonly id = `cranker-${++connectorsCreated}`;
  readonly node: string;
  readonly identity: string;
  readonly instance: string;
  readonly route: string;
  readonly domain: string;
  readonly service: string;
  readonly address: string;
  readonly version: CrankerVersion;
  readonly responseTimeoutMs: number;
  readonly #owner: ConnectorOwner;
  readonly #sockets = new Set<CrankerSocket>();
  readonly #tunnels = new Set<Tunnel>();
  /** All of version 1.0, and those among them that wait for a request, the oldest first. */
  readonly #singles = new Set<SingleSocket>();
  readonly #idle = new Set<SingleSocket>();
  readonly #streams = new DenseSet<CrankerStream>();
  #state: "joining" | "up" | "retired" | "gone" = "joining";
  #usable = false;
  #streamsTotal = 0;
  #bytesIn = 0;
  #bytesOut = 0;

  constructor(
    registration: Registration,
    identity: string,
    address: string,
    responseTimeoutMs: number,
    owner: ConnectorOwner,
  ) {
    const { component, instance, route, domain, service, version } = registration;
    this.node = component;
    this.identity = identity;
    this.instance = instance;
    this.route = route;
    this.domain = domain;
    this.service = service;
    this.address = address;
    this.version = version;
    this.responseTimeoutMs = responseTimeoutMs;
    this.#owner = owner;
  }

  /** As a link's. */
  get payer(): string {
    return payerOf(this);
  }

  get who(): string {
    return `cranker connector "${this.node}"`;
  }

  /** It takes requests now. */
  get usable(): boolean {
    return this.#usable;
  }

  get retiring(): boolean {
    return this.#state === "retired";
  }

  get sockets(): number {
    return this.#sockets.size;
  }

  statistics(): ConnectorStatistics {
    let bytesIn = this.#bytesIn;
    let bytesOut = this.#bytesOut;
    for (const socket of this.#sockets) {
      bytesIn += socket.bytesIn;
      bytesOut += socket.bytesOut;
    }
    return { streamsOpen: this.#streams.size, streamsTotal: this.#streamsTotal, bytesIn, bytesOut };
  }

  /** Takes a websocket that has opened. */
  add(socket: CrankerSocket, version: CrankerVersion): void {
    this.#sockets.add(socket);
    let user: MessageSocketUser;
    if (version === "3.0") {
      const tunnel = new Tunnel(socket, this);
      this.#tunnels.add(tunnel);
      user = tunnel;
    } else {
      const single = new SingleSocket(socket, this);
      this.#singles.add(single);
      this.#idle.add(single);
      user = single;
    }
    socket.start(user, () => this.#ended(socket));
    if (this.#state === "joining") this.#state = "up";
    this.#judge();
  }

  /** Serves nothing new: what waits for a request is closed, what is under way goes on. */
  retire(): void {
    if (this.#state === "retired" || this.#state === "gone") return;
    this.#state = "retired";
    this.#judge();
    this.#owner.retired(this);
    for (const tunnel of this.#tunnels) tunnel.retire();
    for (const single of this.#idle) single.retire();
    if (this.#sockets.size === 0) this.#isGone();
  }

  /** Ends everything now; returns how many requests that cut off. */
  close(error: PolarityError): number {
    this.retire();
    const cut = this.#streams.size;
    this.#streams.forEach((stream) => stream.abort(error));
    for (const socket of this.#sockets) socket.destroy();
    return cut;
  }

  /** A few times a second. */
  sweep(now: number): void {
    this.#streams.forEach((stream) => stream.sweep(now));
    for (const single of this.#singles) single.sweep(now);
  }

  /** About once a second. */
  sweepSockets(now: number): void {
    for (const socket of this.#sockets) {
      if (socket.sweep(now)) continue;
      this.#owner.misbehaved(this, "it fell silent");
      socket.destroy();
    }
  }

  // ── Upstream ──

  open(request: StreamRequest, first: string, second: string, sink: ByteSink): ByteStream | undefined {
    if (request.protocol !== "http/1.1") return undefined;
    const carrier = this.#take();
    if (carrier === undefined) return undefined;
    const stream = new CrankerStream(carrier, sink, this);
    this.#streams.add(stream);
    this.#streamsTotal++;
    if (first !== "" || second !== "") stream.begin(first + second);
    return stream;
  }

  // ── StreamHost ──

  over(stream: CrankerStream): void {
    this.#streams.delete(stream);
  }

  // ── TunnelOwner, SingleSocketOwner ──

  retired(tunnel: Tunnel): void {
    // One that ran out of ids; others, and the one that the connector opens for it, go on.
    if (this.#tunnels.has(tunnel)) this.#judge();
  }

  givenBack(single: SingleSocket): void {
    this.#idle.add(single);
    if (this.#state === "retired") single.retire();
    this.#judge();
  }

  gone(socket: Tunnel | SingleSocket): void {
    if (socket instanceof Tunnel) {
      this.#tunnels.delete(socket);
    } else {
      this.#singles.delete(socket);
      this.#idle.delete(socket);
    }
    this.#judge();
  }

  misbehaved(why: string): void {
    this.#owner.misbehaved(this, `it sent ${why}`);
  }

  // ── inside ──

  #take(): OpenCarrier | undefined {
    if (this.#state !== "up") return undefined;
    let best: Tunnel | undefined;
    for (const tunnel of this.#tunnels) {
      if (tunnel.open && (best === undefined || tunnel.requests < best.requests)) best = tunnel;
    }
    if (best !== undefined) return best.take();
    const [single] = this.#idle;
    if (single === undefined) return undefined;
    this.#idle.delete(single);
    this.#judge();
    return single;
  }

  /** Tells when it begins to take requests, or no longer does. */
  #judge(): void {
    const usable = this.#state === "up" && (this.#idle.size > 0 || this.#hasOpenTunnel());
    if (usable === this.#usable) return;
    this.#usable = usable;
    this.#owner.usable(this, usable, usable ? "" : this.#state === "up" ? NO_IDLE_SOCKET : "draining");
  }

  #hasOpenTunnel(): boolean {
    for (const tunnel of this.#tunnels) if (tunnel.open) return true;
    return false;
  }

  #ended(socket: CrankerSocket): void {
    this.#sockets.delete(socket);
    this.#bytesIn += socket.bytesIn;
    this.#bytesOut += socket.bytesOut;
    if (this.#sockets.size === 0) this.#isGone();
  }

  #isGone(): void {
    if (this.#state === "gone") return;
    this.#state = "gone";
    this.#judge();
    this.#owner.gone(this);
  }
}
