/**
 * Keep-alive connections to one HTTP app. The one used last is used first, so that a quiet app's surplus times out.
 *
 * Where the app is told each connection's client by a PROXY header, a connection serves that client's requests only: apps
 * take what the header says for all that follows.
 *
 * take and give: O(1); with PROXY headers O(idle connections). sweep: O(idle connections).
 */
import { AppAddresses } from "./app-addresses.ts";
import { AppConnection } from "./app-connection.ts";
import { type ProxyProtocol, prefaceFor } from "./app-preface.ts";
import { type AppPlace, connectApp } from "./app-socket.ts";

export interface AppPoolOptions {
  readonly app: AppPlace;
  /** For people: `the app http://127.0.0.1:3000`. */
  readonly who: string;
  readonly connectTimeoutMs: number;
  readonly idleMax: number;
  readonly idleMs: number;
  readonly proxyProtocol: ProxyProtocol;
}

/** An app announces when it closes; we let go a second earlier, lest a request meet the closing. */
const KEEP_ALIVE_MARGIN_MS = 1_000;

export class AppPool {
  readonly #options: AppPoolOptions;
  /** Undefined where the app has no name. */
  readonly #addresses: AppAddresses | undefined;
  /** Any client's request may go over any connection. */
  readonly #shared: boolean;
  #idle: AppConnection[] = [];
  #open = 0;

  constructor(options: AppPoolOptions) {
    this.#options = options;
    this.#shared = options.proxyProtocol === "none";
    this.#addresses = AppAddresses.of(options.app, () => this.#letGo());
  }

  /** Connections, idle and busy. */
  get open(): number {
    return this.#open;
  }

  get idle(): number {
    return this.#idle.length;
  }

  /** An idle connection that became idle after `idleAfter` and is still expected to live, or else a new one. */
  take(now: number, idleAfter: number, client: string): AppConnection {
    const at = this.#shared
      ? this.#idle.length - 1
      : this.#idle.findLastIndex((connection) => connection.client === client);
    // An index of -1, once read, makes engines look up all that follow by name.
    const connection = at < 0 ? undefined : this.#idle[at];
    if (connection === undefined || connection.idleSince < idleAfter || connection.idleUntil <= now)
      return this.connect(client);
    if (this.#shared) this.#idle.pop();
    else this.#idle.splice(at, 1);
    connection.reused = true;
    return connection;
  }

  connect(client: string): AppConnection {
    const { app, who, connectTimeoutMs, proxyProtocol } = this.#options;
    this.#open++;
    const preface = proxyProtocol === "none" ? undefined : prefaceFor(proxyProtocol, client, app.place);
    const socket = connectApp(app, connectTimeoutMs, preface);
    const only = proxyProtocol === "none" ? "" : client;
    return new AppConnection(socket, who, only, (connection) => this.#gone(connection));
  }

  /** Takes back a connection whose exchange is complete. `appKeepsMs`: what the app said in Keep-Alive. */
  give(connection: AppConnection, now: number, appKeepsMs: number | undefined): void {
    connection.user = undefined;
    connection.stream.handOver();
    const keepMs =
      appKeepsMs === undefined
        ? this.#options.idleMs
        : Math.min(this.#options.idleMs, Math.max(0, appKeepsMs - KEEP_ALIVE_MARGIN_MS));
    // What one client may use alone is worth less than what the next request may be.
    if (!this.#shared && keepMs > 0 && this.#idle.length >= this.#options.idleMax) this.#idle[0]?.destroy();
    const elsewhere = this.#addresses !== undefined && !this.#addresses.has(connection.stream.socket);
    if (elsewhere || keepMs === 0 || this.#idle.length >= this.#options.idleMax) {
      connection.destroy();
      return;
    }
    connection.idleSince = now;
    connection.idleUntil = now + keepMs;
    this.#idle.push(connection);
  }

  /** Closes the connections that have been idle too long. */
  sweep(now: number): void {
    if (this.#open > 0) this.#addresses?.sweep(now);
    // Apps may keep each of them for a time of its own. From the end, because those that go leave the list.
    for (let at = this.#idle.length - 1; at >= 0; at--) {
      const connection = this.#idle[at]!;
      if (connection.idleUntil <= now) connection.destroy();
    }
  }

  close(): void {
    for (const connection of this.#idle.slice()) connection.destroy();
  }

  /** Ends idle connections to where the app is no more. */
  #letGo(): void {
    for (const connection of this.#idle.slice()) {
      if (!this.#addresses!.has(connection.stream.socket)) connection.destroy();
    }
  }

  #gone(connection: AppConnection): void {
    this.#open--;
    const at = this.#idle.lastIndexOf(connection);
    if (at >= 0) this.#idle.splice(at, 1);
  }
}
