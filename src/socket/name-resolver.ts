/**
 * Finds out where a place is: the addresses of a host, the servers of SRV and NAPTR records, in the order in which they are to
 * be tried.
 *
 * Without servers of its own it asks the system for hosts (files, DNS, whatever it is set up for) each time, because the
 * system does not say how long an answer holds, and the system's name servers for records. With them it asks only those, and
 * keeps addresses for as long as they say. Of SRV and NAPTR records Node does not tell for how long they hold, so they are
 * kept for `refreshMs`. When nobody answers, what was known before serves on.
 */
import { lookup, Resolver } from "node:dns/promises";
import { formatPlace, isLoopback, type Place } from "../base/address.ts";
import { messageOf } from "../base/errors.ts";
import { TimedCache } from "../base/timed-cache.ts";
import {
  isNotOffered,
  type NaptrRecord,
  naptrSteps,
  orderSrvRecords,
  type SrvRecord,
} from "../balance/service-records.ts";
import type { Destination, Destinations } from "./connection-race.ts";
import { addressesInOrder, allAddresses, type Family } from "./host-addresses.ts";

export interface NameResolverSettings {
  /** `IP:PORT`, `[IP]:PORT` or an IP; empty: the system's. */
  readonly servers: readonly string[];
  /** How long what was found is believed where nothing says so. */
  readonly refreshMs: number;
  /** For one question to one server. */
  readonly timeoutMs: number;
}

export interface NameResolverOptions extends NameResolverSettings {
  readonly random: () => number;
  readonly now: () => number;
  /** Finds the addresses of hosts instead of the system. */
  readonly lookUp?: ((host: string) => Promise<readonly string[]>) | undefined;
}

/** A host behind a name, and the port there. */
interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

interface Held<Value> {
  readonly value: Value;
  readonly ttlMs: number;
}

type TcpPlace = Place & { readonly kind: "tcp" };

const ENTRIES_MAX = 4096;
/** For how long an old answer serves when nobody gives a newer one, and how soon they are asked again. */
const STALE_MS = 3_600_000;
const ASK_AGAIN_MS = 5_000;
const TRIES = 2;
/** More than a name should lead to. */
const DESTINATIONS_MAX = 256;
/** Of NAPTR records that lead to NAPTR records. */
const NAPTR_DEPTH_MAX = 5;
/** Of those together, as each may lead to many. */
const NAPTR_BRANCHES_MAX = 64;

/** Before the type of what the system was asked. */
const SYSTEM = "system ";

/** Answers that say that there is nothing, and not that nobody knows. */
const NEGATIVE = new Set(["ENOTFOUND", "ENODATA"]);

export class NameResolver {
  readonly #options: NameResolverOptions;
  #settings: NameResolverSettings = { servers: [], refreshMs: 0, timeoutMs: 0 };
  #resolver!: Resolver;
  readonly #known = new TimedCache<unknown>(ENTRIES_MAX, STALE_MS);
  readonly #asked = new Map<string, Promise<unknown>>();

  constructor(options: NameResolverOptions) {
    this.#options = options;
    this.configure(options);
  }

  /** Takes other settings; what is known already is asked for again then. */
  configure({ servers, refreshMs, timeoutMs }: NameResolverSettings): void {
    const settings = { servers, refreshMs, timeoutMs };
    if (JSON.stringify(settings) === JSON.stringify(this.#settings)) return;
    this.#settings = settings;
    this.#resolver = new Resolver({ timeout: timeoutMs, tries: TRIES });
    if (servers.length > 0) this.#resolver.setServers([...servers]);
    this.#known.clear();
    this.#asked.clear();
  }

  get refreshMs(): number {
    return this.#settings.refreshMs;
  }

  /** In the order in which they are to be tried; what a part of them fails with comes as an error. */
  destinations(place: TcpPlace): Destinations {
    return this.#destinations(place);
  }

  async *#destinations(place: TcpPlace): AsyncGenerator<Destination | Error> {
    let count = 0;
    for (const one of await this.hosts(place)) {
      if (one instanceof Error) {
        yield one;
        continue;
      }
      try {
        for await (const host of addressesInOrder(one.host, (name, family) => this.#addresses(name, family))) {
          if (++count > DESTINATIONS_MAX) return;
          yield { host, port: one.port };
        }
      } catch (error) {
        yield asError(error);
      }
    }
  }

  /** The one destination for who cannot find out which of several answers, as with datagrams. */
  async first(place: TcpPlace): Promise<Destination> {
    const failures: unknown[] = [];
    for (const one of await this.hosts(place)) {
      if (one instanceof Error) failures.push(one);
      else {
        try {
          return { host: await this.#firstAddress(one.host), port: one.port };
        } catch (error) {
          failures.push(error);
        }
      }
    }
    throw new Error([...new Set(failures.map(messageOf))].join(", "));
  }

  /** All that a place is at now, whatever the order, as far as it can be found out. Rejects where that is nowhere. */
  async current(place: TcpPlace): Promise<readonly Destination[]> {
    const hosts = await this.hosts(place);
    // Side by side, so that one name that nobody answers for holds up no other.
    const answers = await Promise.allSettled(
      hosts.map((one) => (one instanceof Error ? Promise.reject(one) : this.addressesOf(one.host))),
    );
    const found: Destination[] = [];
    const failures: unknown[] = [];
    for (const [index, answer] of answers.entries()) {
      const one = hosts[index];
      if (answer.status === "rejected") failures.push(answer.reason);
      else if (one !== undefined && !(one instanceof Error))
        for (const host of answer.value) found.push({ host, port: one.port });
    }
    if (found.length === 0 && failures.length > 0) throw new Error([...new Set(failures.map(messageOf))].join(", "));
    return found.slice(0, DESTINATIONS_MAX);
  }

  /** The addresses of a host, of both families. */
  async addressesOf(host: string): Promise<readonly string[]> {
    return allAddresses(
      host,
      (name, family) => this.#addresses(name, family),
      (name, family) => this.#last(name, family),
    );
  }

  /** The hosts of a place, in the order in which they are to be tried: its own, or those that its records name. */
  async hosts(place: TcpPlace): Promise<readonly (HostAndPort | Error)[]> {
    const { host, port, records } = place;
    if (records === undefined) return [{ host, port }];
    if (records.kind === "srv") return this.#srv(host);
    const found = await this.#naptr(host, records.service, port, 1, { left: NAPTR_BRANCHES_MAX });
    if (found.length > 0) return found;
    const wanted = records.service === "" ? "" : ` for the service ${records.service}`;
    throw new Error(`the NAPTR records of ${host} lead nowhere${wanted}`);
  }

  async #firstAddress(host: string): Promise<string> {
    // The system knows which of its addresses this machine has a way to.
    if (this.#asksSystem(host)) return (await lookup(host)).address;
    for await (const address of addressesInOrder(host, (name, family) => this.#addresses(name, family))) return address;
    throw new Error(`${host} has no address`);
  }

  #asksSystem(host: string): boolean {
    return this.#options.lookUp === undefined && (this.#settings.servers.length === 0 || isLoopback(host));
  }

  async #srv(name: string): Promise<HostAndPort[]> {
    const records = await this.#ask<SrvRecord[]>("SRV", name, async () => this.#resolver.resolveSrv(name));
    if (isNotOffered(records)) throw new Error(`the SRV record of ${name} says that the service is not offered`);
    return orderSrvRecords(records, this.#options.random).map((record) => ({ host: record.name, port: record.port }));
  }

  async #naptr(
    name: string,
    service: string,
    port: number,
    depth: number,
    branches: { left: number },
  ): Promise<(HostAndPort | Error)[]> {
    const records = await this.#ask<NaptrRecord[]>("NAPTR", name, async () => this.#resolver.resolveNaptr(name));
    const found: (HostAndPort | Error)[] = [];
    for (const step of naptrSteps(records, service)) {
      if (found.length >= DESTINATIONS_MAX) break;
      try {
        if (step.kind === "srv") found.push(...(await this.#srv(step.name)));
        else if (step.kind === "naptr") {
          if (depth >= NAPTR_DEPTH_MAX || branches.left-- <= 0)
            throw new Error(`the NAPTR records of ${name} lead too far`);
          found.push(...(await this.#naptr(step.name, service, port, depth + 1, branches)));
        } else if (port > 0) found.push({ host: step.name, port });
        else
          throw new Error(`the NAPTR record of ${name} leads to the host ${step.name}, and the URL has no port for it`);
      } catch (error) {
        found.push(asError(error));
      }
    }
    return found;
  }

  // ── asking ──

  async #addresses(host: string, family: Family): Promise<readonly string[]> {
    const { lookUp } = this.#options;
    if (lookUp !== undefined) return (await lookUp(host)).filter((address) => address.includes(":") === (family === 6));
    const type = typeOf(family);
    if (this.#asksSystem(host)) {
      // The system says for how long its answers hold: no longer than now, but if it fails the next time.
      return this.#ask<string[]>(`${SYSTEM}${type}`, host, async () => {
        const found = await lookup(host, { all: true, family, order: "verbatim" });
        return { value: found.map(({ address }) => address), ttlMs: 0 };
      });
    }
    return this.#ask<string[]>(type, host, async () => {
      const found = await (family === 6
        ? this.#resolver.resolve6(host, { ttl: true })
        : this.#resolver.resolve4(host, { ttl: true }));
      const ttlMs = 1000 * Math.min(...found.map(({ ttl }) => ttl));
      return { value: found.map(({ address }) => address), ttlMs };
    });
  }

  /** What was known of a family at last. */
  #last(host: string, family: Family): readonly string[] {
    const key = `${this.#asksSystem(host) ? SYSTEM : ""}${typeOf(family)} ${host}`;
    const known = this.#known.last(key, this.#options.now());
    return Array.isArray(known) ? known.map(String) : [];
  }

  /** The answer that is known, or else a new one; the old one when nobody answers. */
  async #ask<Value>(type: string, name: string, question: () => Promise<Value | Held<Value>>): Promise<Value> {
    const key = `${type} ${name}`;
    const now = this.#options.now();
    const known = this.#known.fresh(key, now);
    if (known !== undefined) return known as Value;
    return this.#once(key, async () => {
      try {
        const answer = await question();
        const held: Held<Value> = isHeld(answer) ? answer : { value: answer, ttlMs: this.refreshMs };
        this.#known.set(key, held.value, this.#options.now(), held.ttlMs);
        return held.value;
      } catch (error) {
        if (isNegative(error)) this.#known.delete(key);
        else {
          const stale = this.#known.stale(key, this.#options.now(), ASK_AGAIN_MS);
          if (stale !== undefined) return stale as Value;
        }
        throw this.#failure(type, name, error);
      }
    });
  }

  /** Whoever asks the same meanwhile shares the answer. */
  async #once<Value>(key: string, question: () => Promise<Value>): Promise<Value> {
    const present = this.#asked.get(key);
    if (present !== undefined) return present as Promise<Value>;
    const asked = question();
    this.#asked.set(key, asked);
    try {
      return await asked;
    } finally {
      if (this.#asked.get(key) === asked) this.#asked.delete(key);
    }
  }

  /** Who was asked what, and what the answer was. */
  #failure(type: string, name: string, error: unknown): Error {
    // The system does not say whom it asked.
    if (type.startsWith(SYSTEM)) return asError(error);
    const { servers } = this.#settings;
    const asked = servers.length > 0 ? servers.join(", ") : this.#resolver.getServers().join(", ");
    const code = codeOf(error);
    const what = ANSWERS[code] ?? messageOf(error);
    return Object.assign(new Error(`${type} of ${name}: ${what}, asking ${asked}`, { cause: error }), { code });
  }
}

const ANSWERS: Readonly<Record<string, string>> = {
  ENOTFOUND: "there is no such name",
  ENODATA: "there is no such record",
  ETIMEOUT: "no answer in time",
  ESERVFAIL: "the server failed",
  EREFUSED: "the server refuses",
  ECONNREFUSED: "no server answers",
};

function typeOf(family: Family): "A" | "AAAA" {
  return family === 6 ? "AAAA" : "A";
}

function isHeld<Value>(answer: Value | Held<Value>): answer is Held<Value> {
  return typeof answer === "object" && answer !== null && "ttlMs" in answer;
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

function isNegative(error: unknown): boolean {
  return NEGATIVE.has(codeOf(error));
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(messageOf(error));
}

/** For people: `10.0.0.1:80`. */
export function formatDestination({ host, port }: Destination): string {
  return formatPlace({ kind: "tcp", host, port });
}
