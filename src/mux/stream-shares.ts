/**
 * Who has how many of the streams of a link, so that one that is nearly full refuses the greediest and nobody else.
 *
 * A client, or a peer that relays, may have three times as many streams as are free, a service seven times: alone, three
 * quarters and seven eighths of them, several greedy ones less each. Whoever wants little of a service gets it even where
 * their share is used up, until an eighth is free: it may be another program at the same address.
 *
 * Nothing is counted until three quarters are used, as nobody can have more than their share before. Then everything that is
 * open is counted once, O(streams), and from there on each stream as it comes and goes, O(1). Pure.
 */
import { hostOf } from "../base/client-path.ts";
import { clientKey } from "../base/ip-address.ts";
import type { StreamRequest } from "../base/upstream.ts";

const OWNER_TIMES_FREE = 3;
const SERVICE_TIMES_FREE = 7;
/** What a part of an owner may have where the owner's share is used up: a 256th of all streams, but not next to nothing. */
const PART_OF_ALL = 256;
const PART_LEAST = 4;
const PARTS_UNTIL_FREE = 8;

/** Whose share is used up. */
export interface UsedShare {
  /** `the client 192.0.2.7`, `the peer "team"`, `the service "web"`. */
  readonly whose: string;
  /** How many streams they have. */
  readonly streams: number;
}

export class StreamShares {
  readonly #counts = new Map<string, number>();
  #counting = false;

  /** How many streams may be used before anybody can have more than their share. */
  static uncounted(streamsMax: number): number {
    return Math.ceil((streamsMax * OWNER_TIMES_FREE) / (OWNER_TIMES_FREE + 1));
  }

  get counting(): boolean {
    return this.#counting;
  }

  /** Counts what is open. */
  begin(requests: Iterable<StreamRequest | undefined>): void {
    this.#counting = true;
    for (const request of requests) this.opened(request);
  }

  end(): void {
    this.#counting = false;
    this.#counts.clear();
  }

  opened(request: StreamRequest | undefined): void {
    if (request !== undefined) this.#change(request, 1);
  }

  closed(request: StreamRequest | undefined): void {
    if (request !== undefined) this.#change(request, -1);
  }

  /** Whose share a further stream would be too much for. `alone`: the link serves only one service. */
  refusal(request: StreamRequest, used: number, streamsMax: number, alone: boolean): UsedShare | undefined {
    const free = streamsMax - used;
    const { service } = request;
    const owner = ownerOf(request);
    const ofService = this.#count(serviceKey(service));
    if (!alone && ofService >= SERVICE_TIMES_FREE * free) {
      return { whose: `the service ${JSON.stringify(service)}`, streams: ofService };
    }
    const ofOwner = this.#count(ownerKey(owner.key));
    if (ofOwner < OWNER_TIMES_FREE * free) return undefined;
    const partMax = Math.max(PART_LEAST, Math.floor(streamsMax / PART_OF_ALL));
    const mayHavePart = free * PARTS_UNTIL_FREE > streamsMax && this.#count(partKey(owner.part, service)) < partMax;
    return mayHavePart ? undefined : { whose: owner.name, streams: ofOwner };
  }

  #count(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  #change(request: StreamRequest, by: number): void {
    const { service } = request;
    const owner = ownerOf(request);
    for (const key of [serviceKey(service), ownerKey(owner.key), partKey(owner.part, service)]) {
      const count = this.#count(key) + by;
      if (count > 0) this.#counts.set(key, count);
      else this.#counts.delete(key);
    }
  }
}

interface Owner {
  /** For people. */
  readonly name: string;
  readonly key: string;
  /** Tells apart those who share it. */
  readonly part: string;
}

function ownerOf({ client, payer, payerPart }: StreamRequest): Owner {
  if (payer !== undefined) return { name: payer, key: payer, part: payerPart };
  const key = clientKey(hostOf(client));
  return { name: key === "" ? "clients without an address" : `the client ${key}`, key, part: key };
}

function serviceKey(service: string): string {
  return `service ${service}`;
}

function ownerKey(owner: string): string {
  return `owner ${owner}`;
}

function partKey(part: string, service: string): string {
  return `part ${part}\n${service}`;
}
