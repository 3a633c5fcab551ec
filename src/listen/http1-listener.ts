/**
 * Where HTTP comes in, over tcp, TLS or a unix socket: accepts connections and keeps them to their deadlines.
 *
 * What TLS has not agreed to be HTTP/2 begins as HTTP/1.1; the preface of HTTP/2 with prior knowledge turns it into that.
 */
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { ListenerAddress } from "../base/address.ts";
import { NO_SINK } from "../base/byte-stream.ts";
import type { PolarityError } from "../base/errors.ts";
import { clientKey } from "../base/ip-address.ts";
import type { Holding } from "../base/held-memory.ts";
import { sweepOne } from "../base/internal-error.ts";
import type { Upstream } from "../base/upstream.ts";
import { ForwardingContext } from "../http/request-forwarding.ts";
import type { RequestIdentity } from "../http/request-identity.ts";
import { changeSocketMode } from "../socket/socket-mode.ts";
import type { Certificate } from "../socket/certificate.ts";
import { ListenerStatistics } from "../registry/service-statistics.ts";
import type { ExchangeContext } from "../session/exchange-contract.ts";
import { SocketStream } from "../socket/socket-stream.ts";
import { Admission, type AdmissionOptions } from "./admission.ts";
import { HTTP2_ALPN, HTTP_ALPN } from "../socket/tls-settings.ts";
import type { AccessLog, RecordSource } from "./access-log.ts";
import { clientCertificateLine } from "./client-certificate-field.ts";
import type { ClientConnection } from "./client-connection.ts";
import { Http1Connection, type Http1ConnectionHost } from "./http1-connection.ts";
import type { Listener, ListenerContext, ActiveSession } from "./listener.ts";
import { Http2Connection, type Http2ConnectionHost } from "./http2-connection.ts";
import type { RequestLimits } from "./request-host.ts";
import { type RateOptions, RequestRates } from "./request-rates.ts";
import type { RouteTable } from "./route-table.ts";
import { type ClientAddress, listenAt, type ServerSocket } from "./server-socket.ts";
import type { TlsListenerOptions } from "./tls-certificates.ts";
import { TlsHandshakes, type TlsHandshakesHost } from "./tls-handshakes.ts";

export interface Http1ListenerOptions {
  readonly address: ListenerAddress;
  /** Permissions of a unix socket; undefined leaves them to the umask. */
  readonly socketMode: number | undefined;
  readonly routes: RouteTable;
  /** Names requests; undefined: they keep the names that they brought. */
  readonly identity: RequestIdentity | undefined;
  readonly accessLog: AccessLog | undefined;
  readonly waitForOfferMs: number;
  readonly limits: RequestLimits;
  readonly rates: RateOptions;
  /** The proxies that it trusts are also those whose forwarding fields are believed. */
  readonly admission: AdmissionOptions;
  /** Of an https listener. */
  readonly tls: TlsListenerOptions | undefined;
  /** Clients may speak HTTP/2. */
  readonly http2: boolean;
  /** The value of Strict-Transport-Security. */
  readonly hsts: string | undefined;
}

export class Http1Listener implements Listener, Http1ConnectionHost, Http2ConnectionHost, TlsHandshakesHost {
  readonly statistics = new ListenerStatistics();
  readonly context: ExchangeContext;
  readonly via: string;
  readonly #instance: string;
  readonly random: () => number;
  readonly #context: ListenerContext;
  #options: Http1ListenerOptions;
  readonly #connections = new Set<ClientConnection>();
  readonly #admission: Admission;
  #rates: RequestRates | undefined;
  #tls: TlsHandshakes | undefined;
  #server: ServerSocket | undefined;
  #draining = false;
  #records: RecordSource | undefined;

  constructor(context: ListenerContext, options: Http1ListenerOptions) {
    this.#context = context;
    this.#options = options;
    this.context = context.sessions;
    this.via = context.node;
    this.#instance = context.instance.replaceAll("-", "").slice(0, 12);
    this.random = context.random;
    const { statistics } = this;
    const { quiet, sessions } = context;
    const admitted = (socket: Socket, client: ClientAddress): void => this.#accept(socket, client);
    this.#admission = new Admission(
      {
        statistics,
        quiet,
        clock: sessions.clock,
        url: () => this.url,
        admitted,
        yields: (client, count) => this.#yield(client, count),
      },
      options.admission,
    );
    this.#setRates(options);
    if (options.tls !== undefined) this.#tls = this.#createTls(options.tls);
  }

  async start(): Promise<void> {
    const { address, socketMode } = this.#options;
    this.#server = await listenAt(address.place, (socket) => this.#admission.arrived(socket), socketMode);
    this.#setRecords(this.#options);
  }

  /** Takes new settings; the address stays. Requests under way keep the old ones. */
  update(options: Http1ListenerOptions): void {
    this.#options = options;
    changeSocketMode(options.address.place, options.socketMode);
    // Whoever is shaking hands when TLS goes does so in vain.
    if (options.tls === undefined) {
      this.#tls?.close();
      this.#tls = undefined;
    } else if (this.#tls === undefined) this.#tls = this.#createTls(options.tls);
    else this.#tls.update(options.tls);
    this.#admission.update(options.admission);
    this.#setRates(options);
    this.#setRecords(options);
  }

  get routes(): RouteTable {
    return this.#options.routes;
  }

  get rates(): RequestRates | undefined {
    return this.#rates;
  }

  get limits(): RequestLimits {
    return this.#options.limits;
  }

  get waitForOfferMs(): number {
    return this.#options.waitForOfferMs;
  }

  get records(): RecordSource | undefined {
    return this.#records;
  }

  get identity(): RequestIdentity | undefined {
    return this.#options.identity;
  }

  get url(): string {
    return `${this.#options.address.scheme}://${this.#server?.address ?? ""}`;
  }

  get responseLines(): string {
    const { hsts } = this.#options;
    return hsts === undefined ? "" : `Strict-Transport-Security: ${hsts}\r\n`;
  }

  /** Of an https listener, in order. */
  get certificates(): readonly Certificate[] {
    return this.#tls?.certificates.all ?? [];
  }

  get draining(): boolean {
    return this.#draining;
  }

  get connectionsOpen(): number {
    return this.statistics.connectionsOpen;
  }

  get sessionsActive(): number {
    let active = 0;
    for (const connection of this.#connections) active += connection.busy;
    return active;
  }

  sessions(max: number): ActiveSession[] {
    return [
      ...this.#connections
        .values()
        .flatMap((connection) => connection.sessions())
        .take(max),
    ];
  }

  windDown(): void {
    this.#draining = true;
    for (const connection of this.#connections) connection.windDown?.();
  }

  drain(): void {
    this.#draining = true;
    void this.#server?.close();
    this.#admission.close();
    this.#tls?.close();
    for (const connection of this.#connections) connection.closeIfIdle();
  }

  close(error: PolarityError): number {
    this.drain();
    const cut = this.sessionsActive;
    for (const connection of this.#connections) connection.abort(error);
    return cut;
  }

  sweep(now: number): void {
    this.#admission.sweep(now);
    this.#rates?.sweep(now);
    this.#tls?.sweep(now);
    for (const connection of this.#connections) sweepOne(connection, now);
  }

  *holdings(): Iterable<Holding> {
    for (const connection of this.#connections) yield* connection.holdings?.() ?? connection.exchanges();
  }

  upstreamSuspect(upstream: Upstream): void {
    for (const connection of this.#connections) {
      for (const exchange of connection.exchanges()) exchange.upstreamSuspect(upstream);
    }
  }

  // ── Http1ConnectionHost and Http2ConnectionHost ──

  closed(connection: ClientConnection): void {
    if (this.#connections.delete(connection)) this.#admission.left(connection.client);
  }

  http2Begins(connection: Http1Connection, first: Buffer): boolean {
    // Over TLS it is agreed by ALPN or not at all (RFC 9113 §3.2).
    if (!this.#options.http2 || this.#tls !== undefined) return false;
    const { client } = connection;
    const forwarding = this.#forwarding(client, "http", "", "2");
    this.#connections.delete(connection);
    this.#connections.add(new Http2Connection(this, connection.detach(), client, forwarding, first));
    return true;
  }

  failed(client: string, service: string, error: PolarityError): void {
    if (error.fault === "client") return;
    const fields = { listener: this.url, service, client, code: error.code };
    this.#context.quiet.log(`failed ${service} ${error.code}`, "warn", fields, error.message);
  }

  refused({ text }: ClientAddress, error: PolarityError): void {
    const fields = { listener: this.url, client: text, code: error.code };
    this.#context.quiet.log(`refused ${this.url} ${error.code}`, "warn", fields, error.message);
  }

  #setRates({ rates, admission }: Http1ListenerOptions): void {
    this.#rates = RequestRates.of(rates, admission.trusted, this.context.clock.now(), this.#rates);
  }

  #setRecords({ accessLog, admission }: Http1ListenerOptions): void {
    this.#records = accessLog && { log: accessLog, listener: this.url, trusted: admission.trusted };
  }

  // ── TlsHandshakesHost ──

  secured(secure: TLSSocket, client: ClientAddress): void {
    const certificate = clientCertificateLine(secure);
    if (secure.alpnProtocol !== HTTP2_ALPN) {
      this.#serve(secure, client, "https", certificate);
      return;
    }
    const forwarding = this.#forwarding(client, "https", certificate, "2");
    this.#connections.add(new Http2Connection(this, secure, client, forwarding));
  }

  handshakeFailed(client: ClientAddress): void {
    this.#admission.left(client);
  }

  /** For ALPN, best first. */
  get #protocols(): readonly string[] {
    return this.#options.http2 ? [HTTP2_ALPN, HTTP_ALPN] : [HTTP_ALPN];
  }

  #createTls(options: TlsListenerOptions): TlsHandshakes {
    const { sessions, logger, quiet } = this.#context;
    const context = { clock: sessions.clock, logger, quiet, protocols: () => this.#protocols };
    return new TlsHandshakes(this, context, options);
  }

  /** Idle connections of a client end, and those whose head or handshake is not complete. */
  #yield(key: string, count: number): number {
    let ended = this.#tls?.yield(key, count) ?? 0;
    for (const connection of this.#connections) {
      if (ended >= count) break;
      const { client } = connection;
      if (clientKey(client.host) !== key || this.#options.admission.trusted.has(client.host)) continue;
      if (connection.yield()) ended++;
    }
    return ended;
  }

  #accept(socket: Socket, client: ClientAddress): void {
    if (this.#tls === undefined) this.#serve(socket, client, "http", "");
    else this.#tls.take(socket, client);
  }

  #serve(socket: Socket, client: ClientAddress, proto: "http" | "https", clientCertificate: string): void {
    const forwarding = this.#forwarding(client, proto, clientCertificate);
    const stream = new SocketStream(socket, { code: "CLIENT_GONE", who: client.who }, NO_SINK);
    this.#connections.add(new Http1Connection(this, stream, client, forwarding));
    // It waited for its PROXY header.
    if (socket.isPaused()) socket.resume();
  }

  #forwarding(
    { host, port }: ClientAddress,
    proto: "http" | "https",
    clientCertificate: string,
    httpVersion?: "2",
  ): ForwardingContext {
    return new ForwardingContext({
      via: this.via,
      instance: this.#instance,
      httpVersion,
      clientAddress: host,
      clientPort: port,
      proto,
      trusted: this.#options.admission.trusted.has(host),
      defaultHost: this.#server?.address ?? "localhost",
      port: this.#server?.port ?? 0,
      clientCertificate,
    });
  }
}
