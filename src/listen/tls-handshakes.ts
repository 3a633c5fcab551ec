/**
 * Connections of a TLS listener from the moment they are accepted until they are secure, or gone.
 *
 * The first byte is looked at before TLS sees it: who speaks plain HTTP is told so in words. All that happens here shares
 * one deadline for each connection. Failures are counted, and logged once for many.
 */
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Clock, Logger } from "../base/clock.ts";
import { clientKey } from "../base/ip-address.ts";
import type { QuietLog } from "../base/quiet-log.ts";
import type { ListenerStatistics } from "../registry/service-statistics.ts";
import { RECEIVER, type ReadReceiver, type ReceivingSocket } from "../socket/shared-read.ts";
import { createTlsGate, type TlsGate } from "../socket/tls-gate.ts";
import { secureSettings, tlsReason } from "../socket/tls-settings.ts";
import { plainHttpAnswer } from "./plain-http-answer.ts";
import type { ClientAddress } from "./server-socket.ts";
import { TlsCertificates, type TlsListenerOptions } from "./tls-certificates.ts";

export interface TlsHandshakesHost {
  readonly url: string;
  readonly statistics: ListenerStatistics;
  secured(secure: TLSSocket, client: ClientAddress): void;
  /** The connection is gone, or has nothing more to expect than its end. */
  handshakeFailed(client: ClientAddress): void;
}

export interface TlsHandshakesContext {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly quiet: QuietLog;
  /** What is offered, best first. */
  readonly protocols: () => readonly string[];
}

const FIRST_BYTE_TLS = 0x16;

export class TlsHandshakes {
  readonly certificates: TlsCertificates;
  readonly #host: TlsHandshakesHost;
  readonly #context: TlsHandshakesContext;
  /** In the order of their deadlines. */
  readonly #arrivals = new Map<Socket, Arrival>();
  #options: TlsListenerOptions;
  #gate: TlsGate;

  /** Throws CONFIG_INVALID. */
  constructor(host: TlsHandshakesHost, context: TlsHandshakesContext, options: TlsListenerOptions) {
    this.#host = host;
    this.#context = context;
    this.#options = options;
    this.certificates = new TlsCertificates(options, context.logger, () => {
      this.#gate = this.#createGate();
    });
    this.#gate = this.#createGate();
  }

  /** How many are not done. */
  get size(): number {
    return this.#arrivals.size;
  }

  /** Takes new settings for what comes next. Throws CONFIG_INVALID. */
  update(options: TlsListenerOptions): void {
    this.#options = options;
    this.certificates.update(options);
  }

  /** Takes a connection of which nothing was read, or whose first bytes were put back. */
  take(socket: Socket, client: ClientAddress): void {
    socket.setNoDelay(true);
    socket.on("error", ignore);
    const deadline = this.#context.clock.now() + this.#options.handshakeTimeoutMs;
    const arrival = new Arrival(socket, client, deadline, (each, chunk) => this.#sniff(each, chunk));
    this.#arrivals.set(socket, arrival);
    socket.once("close", () => this.#gone(arrival, "it closed the connection"));
    arrival.listen();
  }

  /** Time passes: who is late is cut off. */
  sweep(now: number): void {
    this.certificates.sweep(now);
    for (const arrival of this.#arrivals.values()) {
      if (arrival.deadline > now) break;
      this.#gone(arrival, `it took longer than ${this.#options.handshakeTimeoutMs} ms`);
      arrival.socket.destroy();
    }
  }

  /** Ends up to `count` of a client; returns how many. */
  yield(client: string, count: number): number {
    let ended = 0;
    for (const arrival of this.#arrivals.values()) {
      if (ended >= count) break;
      if (clientKey(arrival.client.host) !== client) continue;
      this.#gone(arrival, "others need its place");
      arrival.socket.destroy();
      ended++;
    }
    return ended;
  }

  close(): void {
    for (const { socket } of this.#arrivals.values()) socket.destroy();
  }

  #createGate(): TlsGate {
    const { clientCa, clientCertificate, minVersion, refuseUnknownNames } = this.#options;
    const { certificates } = this;
    const { cert, key } = certificates.first;
    return createTlsGate(
      {
        cert: cert.text,
        key: key.text,
        ...(clientCa === undefined ? {} : { ca: clientCa.text }),
        requestCert: clientCa !== undefined,
        rejectUnauthorized: clientCa !== undefined && clientCertificate === "required",
        ...secureSettings(minVersion),
        ticketKeys: certificates.ticketKeys,
        ALPNProtocols: [...this.#context.protocols()],
        allowHalfOpen: true,
        contextFor: (name) => certificates.find(name) ?? (refuseUnknownNames ? "refused" : undefined),
      },
      {
        secured: (plain, secure) => this.#secured(plain, secure),
        failed: (plain, _address, error) => {
          const arrival = plain === undefined ? undefined : this.#arrivals.get(plain);
          if (arrival !== undefined) this.#gone(arrival, tlsReason(error));
        },
      },
    );
  }

  #sniff(arrival: Arrival, chunk: Buffer): void {
    const { socket } = arrival;
    const first = chunk[0] ?? -1;
    if (first === FIRST_BYTE_TLS) {
      socket.pause();
      // The memory of a read is used again by the next one.
      socket.unshift(Buffer.from(chunk));
      this.#gate.take(socket);
      return;
    }
    const isHttp = first >= 0x41 && first <= 0x5a;
    this.#failed(arrival, isHttp ? "it speaks plain HTTP" : "what it sent is no TLS");
    if (!isHttp) {
      socket.destroy();
      return;
    }
    // What it still sends is read and dropped, lest the answer be lost; the deadline ends that too.
    arrival.drop();
    socket.end(plainHttpAnswer());
  }

  #secured(plain: Socket, secure: TLSSocket): void {
    const arrival = this.#arrivals.get(plain);
    this.#arrivals.delete(plain);
    if (arrival === undefined) secure.destroy();
    else this.#host.secured(secure, arrival.client);
  }

  #gone(arrival: Arrival, why: string): void {
    if (!this.#arrivals.delete(arrival.socket)) return;
    this.#failed(arrival, why);
    this.#host.handshakeFailed(arrival.client);
  }

  #failed(arrival: Arrival, why: string): void {
    if (arrival.failed) return;
    arrival.failed = true;
    this.#host.statistics.handshakesFailed++;
    const { text } = arrival.client;
    const message = `no TLS handshake with ${text} on ${this.#host.url}: ${why}`;
    this.#context.quiet.log(`handshake ${this.#host.url}`, "warn", { listener: this.#host.url, client: text }, message);
  }
}

/** A connection that waits for its first bytes, then for its handshake. */
class Arrival implements ReadReceiver {
  readonly socket: Socket;
  readonly client: ClientAddress;
  readonly deadline: number;
  failed = false;
  #first: ((arrival: Arrival, chunk: Buffer) => void) | undefined;

  constructor(
    socket: Socket,
    client: ClientAddress,
    deadline: number,
    first: (arrival: Arrival, chunk: Buffer) => void,
  ) {
    this.socket = socket;
    this.client = client;
    this.deadline = deadline;
    this.#first = first;
  }

  listen(): void {
    const { socket } = this;
    const early: Buffer | null = socket.readableLength > 0 ? (socket.read() as Buffer | null) : null;
    if (early !== null) {
      this.received(early);
      return;
    }
    (socket as ReceivingSocket)[RECEIVER] = this;
    // Sockets with a shared read never say `data`; others do nothing else.
    socket.on("data", this.#data);
    socket.on("end", this.#end);
    if (socket.isPaused()) socket.resume();
  }

  received(chunk: Buffer): void {
    const first = this.#first;
    if (first === undefined) return;
    this.#first = undefined;
    this.#release();
    first(this, chunk);
  }

  /** Reads on and forgets. */
  drop(): void {
    (this.socket as ReceivingSocket)[RECEIVER] = this;
    this.socket.on("end", this.#end);
    this.socket.resume();
  }

  readonly #data = (chunk: Buffer): void => this.received(chunk);

  readonly #end = (): void => {
    this.socket.destroySoon();
  };

  #release(): void {
    const socket: ReceivingSocket = this.socket;
    delete socket[RECEIVER];
    socket.off("data", this.#data);
    socket.off("end", this.#end);
  }
}

function ignore(): void {}
