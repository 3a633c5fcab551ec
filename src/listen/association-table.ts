/**
 * The associations of a udp listener: a client's address and port to whoever serves it.
 *
 * find, add, remove: O(1). sweep: O(associations). Pure: time comes in.
 */
import { clientKey } from "../base/ip-address.ts";

/** One client's datagrams, as long as they go on. */
export interface Associated {
  readonly host: string;
  readonly port: number;
  /** When something last passed, either way. */
  readonly lastAt: number;
  /** How long nothing may pass. */
  readonly idleMs: number;
}

export interface AssociationLimits {
  readonly associationsMax: number;
  /** Of one address; of IPv6, of one /64 network. 0: no limit. */
  readonly associationsPerClientMax: number;
}

export class AssociationTable<Entry extends Associated> {
  readonly #byHost = new Map<string, Map<number, Entry>>();
  readonly #perClient = new Map<string, number>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  find(host: string, port: number): Entry | undefined {
    return this.#byHost.get(host)?.get(port);
  }

  /** Why `host` may not begin another one; undefined when it may. */
  refusal(
    host: string,
    { associationsMax, associationsPerClientMax: most }: AssociationLimits,
  ): "associations" | "client-associations" | undefined {
    if (this.#size >= associationsMax) return "associations";
    if (most > 0 && (this.#perClient.get(clientKey(host)) ?? 0) >= most) return "client-associations";
    return undefined;
  }

  /** There is none of this host and port. */
  add(entry: Entry): void {
    const { host, port } = entry;
    const ports = this.#byHost.get(host);
    if (ports === undefined) this.#byHost.set(host, new Map([[port, entry]]));
    else ports.set(port, entry);
    const key = clientKey(host);
    this.#perClient.set(key, (this.#perClient.get(key) ?? 0) + 1);
    this.#size++;
  }

  /** Idempotent; another entry of the same host and port stays. */
  remove(entry: Entry): void {
    const { host, port } = entry;
    const ports = this.#byHost.get(host);
    if (ports?.get(port) !== entry) return;
    ports.delete(port);
    if (ports.size === 0) this.#byHost.delete(host);
    const key = clientKey(host);
    const count = this.#perClient.get(key)!;
    if (count === 1) this.#perClient.delete(key);
    else this.#perClient.set(key, count - 1);
    this.#size--;
  }

  /** Takes out all that are idle, for longer than they may be or than `quietMs`, and hands them on. */
  sweep(now: number, quietMs: number, idle: (entry: Entry) => void): void {
    for (const ports of this.#byHost.values()) {
      for (const entry of ports.values()) {
        if (now - entry.lastAt < Math.min(entry.idleMs, quietMs)) continue;
        this.remove(entry);
        idle(entry);
      }
    }
  }
}
