/** Where HTTP/1.1 comes in, over tcp or a unix socket: accepts connections and keeps them to their deadlines. */
import { BlockList, isIPv6, type Socket } from "node:net";
import type { ListenerAddress } from "../base/address.ts";
import { NO_SINK } from "../base/byte-stream.ts";
import type { PolarityError } from "../base/errors.ts";
import type { Upstream } from "../base/upstream.ts";
import { ForwardingContext } from "../http/request-forwarding.ts";
import type { RequestIdentity } from "../http/request-identity.ts";
import { ListenerStatistics } from "../registry/service-statistics.ts";
import type { ExchangeContext } from "../session/exchange-contract.ts";
import { resetSocket, SocketStream } from "../socket/socket-stream.ts";
import { Http1Connection, type Http1ConnectionHost } from "./http1-connection.ts";
import type { Listener, ListenerContext, ActiveSession } from "./listener.ts";
import type { RequestLimits } from "./request-host.ts";
import type { RouteTable } from "./route-table.ts";
import { clientAddressOf, listenAt, type ServerSocket } from "./server-socket.ts";

export interface Http1ListenerOptions {
  readonly address: ListenerAddress;
  readonly routes: RouteTable;
  /** Addresses and networks whose forwarding fields are believed. */
  readonly trustedProxies: readonly string[];
  /** Names requests; undefined: they keep the names that they brought. */
  readonly identity: RequestIdentity | undefined;
  readonly waitForOfferMs: number;
  readonly limits: RequestLimits;
  readonly connectionsMax: number;
}

export class Http1Listener implements Listener, Http1ConnectionHost {
  readonly statistics = new ListenerStatistics();
  readonly context: ExchangeContext;
  readonly via: string;
  readonly #context: ListenerContext;
  #options: Http1ListenerOptions;
  readonly #connections = new Set<Http1Connection>();
  #trusted: BlockList;
  #server: ServerSocket | undefined;
  #draining = false;

  constructor(context: ListenerContext, options: Http1ListenerOptions) {
    this.#context = context;
    this.#options = options;
    this.context = context.sessions;
    this.via = context.node;
    this.#trusted = addressList(options.trustedProxies);
  }

  async start(): Promise<void> {
    this.#server = await listenAt(this.#options.address.place, (socket) => this.#accept(socket));
  }

  /** Takes new settings; the address stays. Requests under way keep the old ones. */
  update(options: Http1ListenerOptions): void {
    this.#options = options;
    this.#trusted = addressList(options.trustedProxies);
  }

  get routes(): RouteTable {
    return this.#options.routes;
  }

  get limits(): RequestLimits {
    return this.#options.limits;
  }

  get waitForOfferMs(): number {
    return this.#options.waitForOfferMs;
  }

  get identity(): RequestIdentity | undefined {
    return this.#options.identity;
  }

  get url(): string {
    return `${this.#options.address.scheme}://${this.#server?.address ?? ""}`;
  }

  get draining(): boolean {
    return this.#draining;
  }

  get connectionsOpen(): number {
    return this.#connections.size;
  }

  get sessionsActive(): number {
    let active = 0;
    for (const connection of this.#connections) if (connection.busy) active++;
    return active;
  }

  sessions(max: number): ActiveSession[] {
    const busy = this.#connections.values().filter((connection) => connection.exchange !== undefined);
    return [...busy.take(max)].map((connection) => {
      const { request, offer } = connection.exchange!;
      return {
        id: connection.id,
        client: connection.client.text,
        service: request.stream.service,
        protocol: request.stream.protocol,
        upstream: offer?.upstream,
        startedAt: request.startedAt,
        bytesIn: connection.bytesIn,
        bytesOut: connection.bytesOut,
      };
    });
  }

  drain(): void {
    this.#draining = true;
    void this.#server?.close();
    for (const connection of this.#connections) connection.closeIfIdle();
  }

  close(error: PolarityError): number {
    this.drain();
    const cut = this.sessionsActive;
    for (const connection of this.#connections) connection.abort(error);
    return cut;
  }

  sweep(now: number): void {
    for (const connection of this.#connections) connection.sweep(now);
  }

  upstreamSuspect(upstream: Upstream): void {
    for (const { exchange } of this.#connections) exchange?.upstreamSuspect(upstream);
  }

  // ── Http1ConnectionHost ──

  closed(connection: Http1Connection): void {
    if (this.#connections.delete(connection)) this.statistics.connectionsOpen--;
  }

  failed(client: string, service: string, error: PolarityError): void {
    if (error.fault === "client") return;
    this.#context.logger.warn({ listener: this.url, service, client, code: error.code }, error.message);
  }

  #accept(socket: Socket): void {
    const { statistics } = this;
    statistics.connections++;
    if (this.#connections.size >= this.#options.connectionsMax || this.#draining) {
      statistics.connectionsRefused++;
      resetSocket(socket);
      return;
    }
    statistics.connectionsOpen++;
    const client = clientAddressOf(socket);
    const forwarding = new ForwardingContext({
      via: this.via,
      clientAddress: client.host,
      clientPort: client.port,
      proto: "http",
      trusted: client.host !== "" && this.#trusted.check(client.host, isIPv6(client.host) ? "ipv6" : "ipv4"),
      defaultHost: this.#server?.address ?? "localhost",
    });
    const stream = new SocketStream(socket, { code: "CLIENT_GONE", who: client.who }, NO_SINK);
    this.#connections.add(new Http1Connection(this, stream, client, forwarding));
  }
}

function addressList(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = "", prefix] = network.split("/", 2);
    const family = isIPv6(address) ? "ipv6" : "ipv4";
    if (prefix === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(prefix), family);
  }
  return list;
}
