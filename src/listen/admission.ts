/**
 * Who gets in at a listener: counts connections, of all and of each client, keeps to the rate at which new ones may come,
 * and reads the PROXY header where one is required. What it lets in is `admitted` once, and owes one `left`.
 *
 * arrived and left: O(1), one look-up each.
 */
import type { Socket } from "node:net";
import { type Rate, TokenBucket } from "../balance/token-bucket.ts";
import type { Clock } from "../base/clock.ts";
import type { ErrorCode } from "../base/errors.ts";
import { clientKey, formatIp, parseIp, unmapped } from "../base/ip-address.ts";
import type { ProxyHeader } from "../base/proxy-header.ts";
import type { QuietLog } from "../base/quiet-log.ts";
import type { ListenerStatistics } from "../registry/service-statistics.ts";
import { resetSocket } from "../socket/socket-stream.ts";
import { ProxyHeaderGate } from "./proxy-header-gate.ts";
import { type ClientAddress, clientAddressOf, clientAt } from "./server-socket.ts";
import type { TrustedNetworks } from "./trusted-networks.ts";

export interface AdmissionOptions {
  readonly connectionsMax: number;
  /** 0: as many as anybody likes. Proxies that are trusted may always have more: they speak for many. */
  readonly connectionsPerClientMax: number;
  /** How fast new connections may come; undefined: as fast as they can. */
  readonly newConnections: Rate | undefined;
  readonly proxyProtocol: "none" | "required";
  /** How long a PROXY header may take. */
  readonly headerTimeoutMs: number;
  /** Who may send a PROXY header; if empty, whoever reaches the listener. */
  readonly trusted: TrustedNetworks;
}

export interface AdmissionContext {
  readonly statistics: ListenerStatistics;
  readonly clock: Clock;
  readonly quiet: QuietLog;
  /** The listener, for people. */
  readonly url: () => string;
  /** `socket` may be paused, with bytes to read in it. */
  readonly admitted: (socket: Socket, client: ClientAddress) => void;
  /** Ends up to `count` connections of a client on which nothing is under way; returns how many. */
  readonly yields?: (client: string, count: number) => number;
}

/** A look for who has most is not worth it more often than this where there is nothing to gain. */
const CROWDED_LOOK_MS = 50;
/** Of all connections: how many one look frees at most. */
const FREED_AT_ONCE = 1 / 64;

export class Admission {
  readonly #context: AdmissionContext;
  #options: AdmissionOptions;
  #newConnections: TokenBucket | undefined;
  /** Connections of each client that has any. */
  readonly #perClient = new Map<string, number>();
  readonly #gate: ProxyHeaderGate;
  #closed = false;
  /** Nobody had anything to give up a moment ago. */
  #crowdedUntil = Number.NEGATIVE_INFINITY;

  constructor(context: AdmissionContext, options: AdmissionOptions) {
    this.#context = context;
    this.#options = options;
    this.#newConnections = bucketFor(options.newConnections, undefined, context.clock.now());
    this.#gate = new ProxyHeaderGate({
      told: (socket, peer, header) => this.#told(socket, peer, header),
      refused: (socket, peer, reason) => {
        this.#context.statistics.connectionsOpen--;
        this.#refuse(socket, "PROXY_HEADER_INVALID", `the PROXY header of ${peer.text || "a client"}: ${reason}`);
      },
    });
  }

  /** Holds for what comes next. */
  update(options: AdmissionOptions): void {
    this.#options = options;
    this.#newConnections = bucketFor(options.newConnections, this.#newConnections, this.#context.clock.now());
  }

  arrived(socket: Socket): void {
    const { statistics, clock } = this.#context;
    const { connectionsMax, proxyProtocol, trusted, headerTimeoutMs } = this.#options;
    statistics.connections++;
    const full = statistics.connectionsOpen >= connectionsMax;
    if (this.#closed || (full && !this.#makeRoom(proxyProtocol === "none" ? (socket.remoteAddress ?? "") : ""))) {
      this.#refuse(socket, undefined, "");
      return;
    }
    if (this.#newConnections !== undefined && this.#newConnections.take(clock.now()) > 0) {
      this.#refuse(socket, "LIMITED", "");
      return;
    }
    const peer = clientAddressOf(socket);
    if (proxyProtocol === "none") {
      this.#admit(socket, peer);
      return;
    }
    if (!trusted.isEmpty && peer.host !== "" && !trusted.has(peer.host)) {
      const why = "it is not among trustedProxies, and so may not say who its clients are";
      this.#refuse(socket, "PROXY_HEADER_INVALID", `a connection of ${peer.text}: ${why}`);
      return;
    }
    statistics.connectionsOpen++;
    this.#gate.take(socket, peer, clock.now() + headerTimeoutMs);
  }

  /** While all places are taken, whoever has most gives up some on which it asks for nothing, to who has fewer. */
  #makeRoom(newcomer: string): boolean {
    const { clock, quiet, statistics, url } = this.#context;
    const now = clock.now();
    if (now < this.#crowdedUntil) return false;
    let greediest = "";
    let most = (this.#perClient.get(clientKey(newcomer)) ?? 0) + 1;
    for (const [client, count] of this.#perClient) {
      if (count <= most) continue;
      greediest = client;
      most = count;
    }
    const wanted = Math.max(1, Math.min(this.#options.connectionsMax * FREED_AT_ONCE, most / 2));
    const freed = greediest === "" ? 0 : (this.#context.yields?.(greediest, Math.floor(wanted)) ?? 0);
    if (freed === 0) {
      this.#crowdedUntil = now + CROWDED_LOOK_MS;
      return false;
    }
    for (let each = 0; each < freed; each++) statistics.countError("OVER_SHARE");
    const what = `all ${this.#options.connectionsMax} connections of ${url()} are taken, and ${greediest} has ${most}`;
    quiet.log(
      `crowded ${url()}`,
      "warn",
      { listener: url(), code: "OVER_SHARE" },
      `${what}: idle ones of it are closed`,
    );
    return true;
  }

  left(client: ClientAddress): void {
    this.#context.statistics.connectionsOpen--;
    if (client.host === "") return;
    const key = clientKey(client.host);
    const count = this.#perClient.get(key) ?? 1;
    if (count === 1) this.#perClient.delete(key);
    else this.#perClient.set(key, count - 1);
  }

  sweep(now: number): void {
    this.#gate.sweep(now);
  }

  /** Lets nobody in any more. */
  close(): void {
    this.#closed = true;
    this.#gate.close("the listener closed before it was complete");
  }

  #told(socket: Socket, peer: ClientAddress, header: ProxyHeader): void {
    this.#context.statistics.connectionsOpen--;
    this.#admit(socket, clientOf(header, peer));
  }

  #admit(socket: Socket, client: ClientAddress): void {
    const { connectionsPerClientMax: most, trusted } = this.#options;
    if (client.host !== "") {
      const key = clientKey(client.host);
      const count = this.#perClient.get(key) ?? 0;
      if (most > 0 && count >= most && !trusted.has(client.host)) {
        this.#refuse(socket, "LIMITED", "");
        return;
      }
      this.#perClient.set(key, count + 1);
    }
    this.#context.statistics.connectionsOpen++;
    this.#context.admitted(socket, client);
  }

  #refuse(socket: Socket, code: ErrorCode | undefined, message: string): void {
    const { statistics, quiet } = this.#context;
    statistics.connectionsRefused++;
    if (code !== undefined) statistics.countError(code);
    resetSocket(socket);
    if (message === "" || this.#closed) return;
    const listener = this.#context.url();
    // What is set up wrongly sends nothing but wrong headers.
    quiet.log(`refused-connection ${listener}`, "warn", { listener, code }, message);
  }
}

/** Who a connection is from: the peer itself where the header does not say, or says that the peer speaks for itself. */
function clientOf({ addresses }: ProxyHeader, peer: ClientAddress): ClientAddress {
  if (addresses === undefined) return peer;
  if (addresses.family === "unix") return clientAt("", 0);
  const { host, port } = addresses.source;
  return clientAt(formatIp(unmapped(parseIp(host)!)), port);
}

function bucketFor(rate: Rate | undefined, present: TokenBucket | undefined, now: number): TokenBucket | undefined {
  if (rate === undefined) return undefined;
  const same = present?.rate.requests === rate.requests && present.rate.burst === rate.burst;
  return same && present.rate.perMs === rate.perMs ? present : new TokenBucket(rate, now);
}
