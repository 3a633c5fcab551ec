/** Where raw byte streams come in, over tcp or a unix socket: every connection is one session with one service. */
import type { Socket } from "node:net";
import type { ListenerAddress } from "../base/address.ts";
import { NO_SINK } from "../base/byte-stream.ts";
import type { PolarityError } from "../base/errors.ts";
import { StreamRequest } from "../base/upstream.ts";
import { ListenerStatistics } from "../registry/service-statistics.ts";
import { StreamSession } from "../session/stream-session.ts";
import { QUIET_PROBE_MS, resetSocket, SocketStream } from "../socket/socket-stream.ts";
import { Admission, type AdmissionOptions } from "./admission.ts";
import { type ActiveSession, activeSession, type Listener, type ListenerContext } from "./listener.ts";
import { type RateOptions, RequestRates } from "./request-rates.ts";
import { type ClientAddress, listenAt, type ServerSocket } from "./server-socket.ts";

export interface TcpListenerOptions {
  readonly address: ListenerAddress;
  readonly service: string;
  readonly node: string | undefined;
  readonly waitForOfferMs: number;
  readonly rates: RateOptions;
  readonly admission: AdmissionOptions;
}

export class TcpListener implements Listener {
  readonly statistics = new ListenerStatistics();
  readonly #context: ListenerContext;
  #options: TcpListenerOptions;
  /** With who they are for, once they have left. */
  readonly #sessions = new Map<StreamSession, ClientAddress>();
  readonly #admission: Admission;
  #rates: RequestRates | undefined;
  #server: ServerSocket | undefined;

  constructor(context: ListenerContext, options: TcpListenerOptions) {
    this.#context = context;
    this.#options = options;
    const { statistics } = this;
    const { logger, sessions } = context;
    const admitted = (socket: Socket, client: ClientAddress): void => this.#accept(socket, client);
    this.#admission = new Admission(
      { statistics, logger, clock: sessions.clock, url: () => this.url, admitted },
      options.admission,
    );
    this.#setRates(options);
  }

  async start(): Promise<void> {
    this.#server = await listenAt(this.#options.address.place, (socket) => this.#admission.arrived(socket));
  }

  /** Takes new settings; the address stays. Sessions under way keep the old ones. */
  update(options: TcpListenerOptions): void {
    this.#options = options;
    this.#admission.update(options.admission);
    this.#setRates(options);
  }

  get url(): string {
    return `${this.#options.address.scheme}://${this.#server?.address ?? ""}`;
  }

  get connectionsOpen(): number {
    return this.statistics.connectionsOpen;
  }

  get sessionsActive(): number {
    return this.#sessions.size;
  }

  sessions(max: number): ActiveSession[] {
    return [...this.#sessions.keys().take(max)].map(activeSession);
  }

  drain(): void {
    void this.#server?.close();
    this.#admission.close();
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
    const { service, node, waitForOfferMs } = this.#options;
    const session = new StreamSession(
      this.#context.sessions,
      stream,
      new StreamRequest(service, "tcp", client.text, node, waitForOfferMs),
      node,
      waitForOfferMs,
      statistics,
      this,
    );
    this.#sessions.set(session, client);
    session.start();
    // It waited for its PROXY header.
    if (socket.isPaused()) socket.resume();
  }

  /** StreamSessionEvents */
  finished(session: StreamSession, error: PolarityError | undefined): void {
    const client = this.#sessions.get(session);
    if (this.#sessions.delete(session)) this.#admission.left(client!);
    if (error === undefined || error.code === "CLIENT_GONE") return;
    this.#context.logger.warn(
      { listener: this.url, service: session.request.service, client: session.request.client, code: error.code },
      error.message,
    );
  }
}
