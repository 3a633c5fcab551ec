/** Where raw byte streams come in, over tcp or a unix socket: every connection is one session with one service. */
import type { Socket } from "node:net";
import type { ListenerAddress } from "../base/address.ts";
import { NO_SINK } from "../base/byte-stream.ts";
import type { PolarityError } from "../base/errors.ts";
import { StreamRequest } from "../base/upstream.ts";
import { ListenerStatistics } from "../registry/service-statistics.ts";
import { StreamSession } from "../session/stream-session.ts";
import { QUIET_PROBE_MS, resetSocket, SocketStream } from "../socket/socket-stream.ts";
import { type ActiveSession, activeSession, type Listener, type ListenerContext } from "./listener.ts";
import { clientAddressOf, listenAt, type ServerSocket } from "./server-socket.ts";

export interface TcpListenerOptions {
  readonly address: ListenerAddress;
  readonly service: string;
  readonly node: string | undefined;
  readonly waitForOfferMs: number;
  readonly connectionsMax: number;
}

export class TcpListener implements Listener {
  readonly statistics = new ListenerStatistics();
  readonly #context: ListenerContext;
  #options: TcpListenerOptions;
  readonly #sessions = new Set<StreamSession>();
  #server: ServerSocket | undefined;

  constructor(context: ListenerContext, options: TcpListenerOptions) {
    this.#context = context;
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#server = await listenAt(this.#options.address.place, (socket) => this.#accept(socket));
  }

  /** Takes new settings; the address stays. Sessions under way keep the old ones. */
  update(options: TcpListenerOptions): void {
    this.#options = options;
  }

  get url(): string {
    return `${this.#options.address.scheme}://${this.#server?.address ?? ""}`;
  }

  get connectionsOpen(): number {
    return this.#sessions.size;
  }

  get sessionsActive(): number {
    return this.#sessions.size;
  }

  sessions(max: number): ActiveSession[] {
    return [...this.#sessions.values().take(max)].map(activeSession);
  }

  drain(): void {
    void this.#server?.close();
  }

  close(error: PolarityError): number {
    this.drain();
    const cut = this.#sessions.size;
    for (const session of this.#sessions) session.abort(error);
    return cut;
  }

  sweep(): void {}

  /** Raw bytes cannot be asked again: a session stays with its offer until the link is dead. */
  upstreamSuspect(): void {}

  #accept(socket: Socket): void {
    const { statistics } = this;
    statistics.connections++;
    if (this.#sessions.size >= this.#options.connectionsMax) {
      statistics.connectionsRefused++;
      resetSocket(socket);
      return;
    }
    statistics.connectionsOpen++;
    const client = clientAddressOf(socket);
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
    this.#sessions.add(session);
    session.start();
  }

  /** StreamSessionEvents */
  finished(session: StreamSession, error: PolarityError | undefined): void {
    this.#sessions.delete(session);
    this.statistics.connectionsOpen--;
    if (error === undefined || error.code === "CLIENT_GONE") return;
    this.#context.logger.warn(
      { listener: this.url, service: session.request.service, client: session.request.client, code: error.code },
      error.message,
    );
  }
}
