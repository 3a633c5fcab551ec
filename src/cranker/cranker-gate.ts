/**
 * Where cranker connectors come in: registrations and deregistrations on a link listener's port.
 *
 * Whoever registers proves who it is as a link does, and a route is its own or nobody's. Connectors are kept until their
 * last websocket closes; the gate outlives the listener, as links do.
 */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";

import { type WebSocket, WebSocketServer } from "ws";

import type { Clock } from "../base/clock.ts";
import { PolarityError } from "../base/errors.ts";
import type { QuietLog } from "../base/quiet-log.ts";
import type { UpgradeAsker, UpgradeTaker } from "../link/upgrade-taker.ts";
import { dateLine } from "../socket/date-line.ts";
import { type ConnectorOwner, CrankerConnector } from "./connector.ts";
import { CrankerSocket } from "./cranker-socket.ts";
import { CLOSE_NORMAL } from "./message-socket.ts";
import { isRegistrationTarget, readRegistration, type Registration } from "./registration.ts";

export interface CrankerOptions {
  /** How long an app may take to begin its answer. */
  readonly responseTimeoutMs: number;
  /** By identity, the services that it may register; undefined: whoever comes first. */
  readonly routes: Readonly<Record<string, readonly string[]>> | undefined;
}

export interface CrankerGateOptions extends CrankerOptions {
  readonly clock: Clock;
  readonly quiet: QuietLog;
  readonly socketsMax: number;
  readonly messageBytesMax: number;
  readonly events: CrankerEvents;
}

/** What a node is told about its connectors. */
export interface CrankerEvents {
  /** A new one; why it may not serve what it asks for, if so. */
  joined(connector: CrankerConnector): PolarityError | undefined;
  usable(connector: CrankerConnector, usable: boolean, why: string): void;
  /** It serves nothing new. */
  left(connector: CrankerConnector): void;
}

const SOCKET_SWEEP_MS = 1_000;
/** How long a websocket that was closed may stay open; a key that the types of `ws` do not know. */
const GOODBYE = { closeTimeout: 5_000 };

export class CrankerGate implements UpgradeTaker, ConnectorOwner {
  readonly #options: CrankerGateOptions;
  readonly #webSockets: WebSocketServer;
  /** Those that serve, by identity, instance and service. */
  readonly #serving = new Map<string, CrankerConnector>();
  /** Those and the ones that only finish. */
  readonly #connectors = new Set<CrankerConnector>();
  #draining = false;
  #sweptSocketsAt = Number.NEGATIVE_INFINITY;
  #empty: (() => void) | undefined;

  constructor(options: CrankerGateOptions) {
    this.#options = options;
    this.#webSockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: options.messageBytesMax,
      ...GOODBYE,
      handleProtocols: (offered) => chosenBy(offered),
    });
    this.#webSockets.on("headers", (headers: string[], request: IncomingMessage) => {
      if (request.headers["crankerprotocol"] !== undefined) headers.push("CrankerProtocol: 1.0");
    });
  }

  get connectors(): ReadonlySet<CrankerConnector> {
    return this.#connectors;
  }

  sweep(now: number): void {
    for (const connector of this.#connectors) connector.sweep(now);
    if (now - this.#sweptSocketsAt < SOCKET_SWEEP_MS) return;
    this.#sweptSocketsAt = now;
    for (const connector of this.#connectors) connector.sweepSockets(now);
  }

  /** Takes no registrations and nothing new; resolves when the last connector has gone. */
  drain(): Promise<void> {
    this.#draining = true;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#empty = resolve;
    for (const connector of this.#connectors) connector.retire();
    if (this.#connectors.size === 0) resolve();
    return promise;
  }

  /** Ends everything now; returns how many requests that cut off. */
  close(error: PolarityError): number {
    this.#draining = true;
    let cut = 0;
    for (const connector of this.#connectors) cut += connector.close(error);
    return cut;
  }

  // ── UpgradeTaker ──

  takes(request: IncomingMessage): boolean {
    return isRegistrationTarget(request.url ?? "");
  }

  take(request: IncomingMessage, socket: Socket, head: Buffer, asker: UpgradeAsker): void {
    const read = readRegistration(request.url ?? "", request.headers, asker.address);
    if (read.kind === "refused") return this.#refuse(socket, asker, "400 Bad Request", read.why);
    const { registration } = read;
    const identity = this.#identityOf(registration, asker);
    if (identity instanceof PolarityError) {
      // Clients that know a name and password only say them when they are asked.
      const ask = 'WWW-Authenticate: Basic realm="polarity", charset="UTF-8"\r\n';
      return this.#refuse(socket, asker, "401 Unauthorized", identity.message, ask);
    }
    if (registration.kind === "deregister") {
      this.#upgrade(request, socket, head, asker, (webSocket) => this.#deregister(registration, identity, webSocket));
      return;
    }
    if (this.#draining) return this.#refuse(socket, asker, "503 Service Unavailable", "this router is stopping");
    const connector = this.#connectorFor(registration, identity, asker);
    if (connector instanceof PolarityError) {
      const status = connector.status === 503 ? "503 Service Unavailable" : "403 Forbidden";
      return this.#refuse(socket, asker, status, connector.message);
    }
    this.#upgrade(request, socket, head, asker, (webSocket) => {
      const { clock } = this.#options;
      connector.add(new CrankerSocket(webSocket, socket, asker.address, clock.now()), registration.version);
    });
    // The handshake itself may have been refused.
    if (connector.sockets === 0) connector.retire();
  }

  // ── ConnectorOwner ──

  usable(connector: CrankerConnector, usable: boolean, why: string): void {
    this.#options.events.usable(connector, usable, why);
  }

  retired(connector: CrankerConnector): void {
    this.#leave(connector);
  }

  gone(connector: CrankerConnector): void {
    this.#leave(connector);
    this.#connectors.delete(connector);
    if (this.#draining && this.#connectors.size === 0) this.#empty?.();
  }

  misbehaved(connector: CrankerConnector, why: string): void {
    const { id, node, service } = connector;
    const fields = { connector: id, service };
    this.#options.quiet.log(`cranker-failed ${node} ${service}`, "warn", fields, `${connector.who}: ${why}`);
  }

  // ── inside ──

  #identityOf({ token }: Registration, asker: UpgradeAsker): string | PolarityError {
    try {
      return asker.identify(token);
    } catch (error) {
      if (error instanceof PolarityError) return error;
      throw error;
    }
  }

  #connectorFor(registration: Registration, identity: string, asker: UpgradeAsker): CrankerConnector | PolarityError {
    const { service } = registration;
    const { routes, socketsMax, responseTimeoutMs, events } = this.#options;
    let sockets = 0;
    for (const connector of this.#connectors) sockets += connector.sockets;
    if (sockets >= socketsMax)
      return new PolarityError("OVERLOADED", `${socketsMax} connector websockets are open already`);
    if (routes !== undefined && !(Object.hasOwn(routes, identity) && routes[identity]!.includes(service))) {
      return new PolarityError("NAME_TAKEN", `"${identity}" may not register "${service}" here`);
    }
    const key = keyOf(identity, registration);
    const known = this.#serving.get(key);
    if (known !== undefined) return known;
    const connector = new CrankerConnector(registration, identity, asker.address, responseTimeoutMs, this);
    const refused = events.joined(connector);
    if (refused !== undefined) return refused;
    this.#serving.set(key, connector);
    this.#connectors.add(connector);
    const { id, node, route, domain, version } = connector;
    this.#options.quiet.log(
      `cranker-joined ${node} ${service}`,
      "info",
      { connector: id, node, identity, service, route, domain },
      `cranker connector "${node}" registered "${service}" from ${asker.address} (${version})`,
    );
    return connector;
  }

  #deregister({ instance, route }: Registration, identity: string, webSocket: WebSocket): void {
    webSocket.on("error", () => {});
    webSocket.close(CLOSE_NORMAL, "Deregister complete");
    for (const connector of this.#serving.values()) {
      const same = connector.instance === instance && connector.route === route && connector.identity === identity;
      if (same) connector.retire();
    }
  }

  #leave(connector: CrankerConnector): void {
    const key = keyOf(connector.identity, connector);
    if (this.#serving.get(key) !== connector) return;
    this.#serving.delete(key);
    this.#options.events.left(connector);
    const { id, node, service } = connector;
    const message = `cranker connector "${node}" left "${service}"`;
    this.#options.quiet.log(`cranker-left ${node} ${service}`, "info", { connector: id, node, service }, message);
  }

  #upgrade(
    request: IncomingMessage,
    socket: Socket,
    head: Buffer,
    asker: UpgradeAsker,
    opened: (webSocket: WebSocket) => void,
  ): void {
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      // Too late: the acceptor has given it up, and is destroying it.
      if (asker.settled()) opened(webSocket);
      else webSocket.terminate();
    });
  }

  #refuse(socket: Socket, asker: UpgradeAsker, status: string, why: string, field = ""): void {
    asker.refused(why);
    const message = `a cranker connector from ${asker.address} is refused: ${why}`;
    this.#options.quiet.log(`cranker-refused ${status}`, "warn", {}, message);
    const body = `${why}\n`;
    socket.end(
      `HTTP/1.1 ${status}\r\n${field}Connection: close\r\nContent-Type: text/plain; charset=utf-8\r\n` +
        `Content-Length: ${Buffer.byteLength(body)}\r\n${dateLine()}\r\n${body}`,
    );
  }
}

function chosenBy(offered: Set<string>): string | false {
  for (const name of offered) if (name === "cranker_3.0" || name === "cranker_1.0") return name;
  return false;
}

function keyOf(identity: string, { instance, service }: Pick<Registration, "instance" | "service">): string {
  return JSON.stringify([identity, instance, service]);
}
