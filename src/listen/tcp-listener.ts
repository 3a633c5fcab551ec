/**
 * Where raw byte streams come in, over tcp or a unix socket: every connection is one session with one service. Of a `tls`
 * listener the client's TLS hello says which.
 */
import type { Socket } from "node:net";
import type { Analysis } from "../analyze/analysis.ts";
import type { StreamTap } from "../analyze/stream-tap.ts";
import type { ListenerAddress } from "../base/address.ts";
import { NO_SINK } from "../base/byte-stream.ts";
import type { PolarityError } from "../base/errors.ts";
import type { Holding } from "../base/held-memory.ts";
import type { FanOutChoice } from "../base/fan-out-policy.ts";
import { StreamRequest } from "../base/upstream.ts";
import { ListenerStatistics } from "../registry/service-statistics.ts";
import { ExchangeJournal } from "../session/exchange-journal.ts";
import { StreamSession } from "../session/stream-session.ts";
import { QUIET_PROBE_MS, resetSocket, SocketStream } from "../socket/socket-stream.ts";
import { type AccessLog, writeStreamRecord } from "./access-log.ts";
import { Admission, type AdmissionOptions } from "./admission.ts";
import { type ActiveSession, activeSession, type Listener, type ListenerContext } from "./listener.ts";
import { changeSocketMode } from "../socket/socket-mode.ts";
import type { NameRoutes } from "./name-routes.ts";
import { type RateOptions, RequestRates } from "./request-rates.ts";
import { type ClientAddress, listenAt, type ServerSocket } from "./server-socket.ts";
import { refuseName, TlsHellos } from "./tls-hellos.ts";

export interface TcpListenerOptions {
  readonly address: ListenerAddress;
  /** Permissions of a unix socket; undefined leaves them to the umask. */
  readonly socketMode: number | undefined;
  /** Of a tls listener it is what `names` says. */
  readonly service: string;
  /** Of a tls listener. */
  readonly names: NameRoutes | undefined;
  /** How long a TLS hello may take. */
  readonly helloTimeoutMs: number;
  readonly node: string | undefined;
  readonly accessLog: AccessLog | undefined;
  readonly fanOut: FanOutChoice;
  readonly waitForOfferMs: number;
  /** How long a session may stand still whose client closed its side. */
  readonly halfCloseTimeoutMs: number;
  readonly rates: RateOptions;
  readonly admission: AdmissionOptions;
  /** Taps the sessions, where the configuration asks for it. */
  readonly analysis: Analysis | undefined;
}

export class TcpListener implements Listener {
  readonly statistics = new ListenerStatistics();
  readonly #context: ListenerContext;
  #options: TcpListenerOptions;
  /** With who they are for, once they have left. */
  readonly #sessions = new Map<StreamSession, ClientAddress>();
  /** Of sessions that an analyzer taps. */
  readonly #taps = new Map<StreamSession, StreamTap>();
  readonly #admission: Admission;
  readonly #hellos: TlsHellos;
  #rates: RequestRates | undefined;
  #server: ServerSocket | undefined;

  constructor(context: ListenerContext, options: TcpListenerOptions) {
    this.#context = context;
    this.#options = options;
    const { statistics } = this;
    const { quiet, sessions } = context;
    const admitted = (socket: Socket, client: ClientAddress): void => this.#accept(socket, client);
    this.#admission = new Admission(
      { statistics, quiet, clock: sessions.clock, url: () => this.url, admitted },
      options.admission,
    );
    this.#hellos = new TlsHellos({
      told: (stream, client, name, begin) => this.#named(stream, client, name, begin),
      refused: (client, why) => this.#unnamed(client, why),
    });
    this.#setRates(options);
  }

  async start(): Promise<void> {
    const { address, socketMode } = this.#options;
    this.#server = await listenAt(address.place, (socket) => this.#admission.arrived(socket), socketMode);
  }

  /** Takes new settings; the address stays. Sessions under way keep the old ones. */
  update(options: TcpListenerOptions): void {
    this.#options = options;
    changeSocketMode(options.address.place, options.socketMode);
    this.#admission.update(options.admission);
    this.#setRates(options);
  }

  get url(): string {
    const { scheme, place, url } = this.#options.address;
    return place.kind === "unix" ? url : `${scheme}://${this.#server?.address ?? ""}`;
  }

  get connectionsOpen(): number {
    return this.statistics.connectionsOpen;
  }

  get sessionsActive(): number {
    return this.#sessions.size;
  }

  holdings(): Iterable<Holding> {
    return this.#sessions.keys();
  }

  sessions(max: number): ActiveSession[] {
    return [...this.#sessions.keys().take(max)].map((session) => {
      const analysis = this.#taps.get(session)?.statistics();
      return { ...activeSession(session), analysis };
    });
  }

  /** A raw connection can be told nothing. */
  windDown(): void {}

  drain(): void {
    void this.#server?.close();
    this.#admission.close();
    this.#hellos.close();
  }

  close(error: PolarityError): number {
    this.drain();
    const cut = this.#sessions.size;
    for (const session of this.#sessions.keys()) session.abort(error);
    return cut;
  }

  sweep(now: number): void {
    this.#admission.sweep(now);
    this.#rates?.sweep(now);
    this.#hellos.sweep(now);
    const { halfCloseTimeoutMs } = this.#options;
    if (halfCloseTimeoutMs === Number.POSITIVE_INFINITY) return;
    for (const session of this.#sessions.keys()) session.sweep(now, halfCloseTimeoutMs);
  }

  /** Raw bytes cannot be asked again: a session stays with its offer until the link is dead. */
  upstreamSuspect(): void {}

  #setRates({ rates, admission }: TcpListenerOptions): void {
    this.#rates = RequestRates.of(rates, admission.trusted, this.#context.sessions.clock.now(), this.#rates);
  }

  #accept(socket: Socket, client: ClientAddress): void {
    const { statistics } = this;
    const limited = this.#rates?.refuses(client.host, this.#context.sessions.clock.now());
    if (limited !== undefined) {
      this.#admission.left(client);
      statistics.connectionsRefused++;
      statistics.countError(limited.code);
      resetSocket(socket);
      return;
    }
    const stream = new SocketStream(socket, { code: "CLIENT_GONE", who: client.who }, NO_SINK);
    stream.probeAfter(QUIET_PROBE_MS);
    const { service, names, helloTimeoutMs } = this.#options;
    if (names === undefined) this.#begin(stream, client, service);
    else this.#hellos.take(stream, client, this.#context.sessions.clock.now() + helloTimeoutMs);
    // It waited for its PROXY header.
    if (socket.isPaused()) socket.resume();
  }

  #named(stream: SocketStream, client: ClientAddress, name: string, begin: () => void): void {
    const service = this.#options.names?.find(name);
    if (service === undefined) {
      refuseName(stream);
      this.#unnamed(client, name === "" ? "it asks for no name" : `no route is for ${name}`);
      return;
    }
    this.#begin(stream, client, service);
    begin();
  }

  #unnamed(client: ClientAddress, why: string): void {
    this.statistics.handshakesFailed++;
    this.#admission.left(client);
    const message = `a TLS connection of ${client.text} to ${this.url} goes nowhere: ${why}`;
    this.#context.quiet.log(`unnamed ${this.url}`, "warn", { listener: this.url, client: client.text }, message);
  }

  #begin(stream: SocketStream, client: ClientAddress, service: string): void {
    const { node, waitForOfferMs, accessLog, analysis, fanOut } = this.#options;
    const tapped = analysis?.attach(stream);
    const session = new StreamSession(
      this.#context.sessions,
      tapped ?? stream,
      new StreamRequest(service, "tcp", client.text, node, waitForOfferMs),
      node,
      waitForOfferMs,
      this.statistics,
      this,
      accessLog && new ExchangeJournal(),
      fanOut,
    );
    this.#sessions.set(session, client);
    if (tapped !== undefined) this.#taps.set(session, tapped.tap);
    session.start();
  }

  /** StreamSessionEvents */
  finished(session: StreamSession, error: PolarityError | undefined): void {
    const client = this.#sessions.get(session);
    this.#taps.delete(session);
    if (this.#sessions.delete(session)) this.#admission.left(client!);
    const { accessLog, admission } = this.#options;
    if (accessLog !== undefined) {
      const source = { log: accessLog, listener: this.url, trusted: admission.trusted };
      writeStreamRecord(source, session, client?.host ?? "", error, this.#context.sessions.clock.now());
    }
    if (error === undefined || error.code === "CLIENT_GONE") return;
    const { service } = session.request;
    const fields = { listener: this.url, service, client: session.request.client, code: error.code };
    this.#context.quiet.log(`failed ${service} ${error.code}`, "warn", fields, error.message);
  }
}
