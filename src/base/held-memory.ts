/**
 * Keeps the bytes that arrived and that nobody has read within their bound: when they come near it, those who hold most are
 * cut off, so that whoever reads what it asked for never waits for those who do not.
 *
 * Nothing is counted here while there is room. A look costs O(holders), and is due only when the bytes are near the bound.
 * First go those who have read nothing for a second; who reads, however much is on its way, only when even that is not
 * enough. Pure: times are handed in.
 */
import { PolarityError } from "./errors.ts";
import { greediest, type Share } from "./greediest.ts";

/** Somebody who holds bytes: mostly a stream, counted along the path address, connection. */
export interface Holder extends Share {
  /** Ends it at once, both ways; what it held comes free. */
  shed(error: PolarityError): void;
}

/** Something that lives for as long as it may hold bytes, and knows how many these are. */
export interface Holding {
  /** For whom, as `host:port`, and by which peer; as for `clientPath`. */
  readonly client: string;
  readonly payer?: string | undefined;
  readonly heldBytes: number;
  shed(error: PolarityError): void;
}

export interface HeldSource {
  /** At the moment; cheap to ask for. */
  readonly heldBytes: number;
  holders(now: number): readonly Holder[];
}

/** What one look did. */
export interface Shed {
  readonly streams: number;
  readonly bytes: number;
  /** Who gave most of it, for people, and how much of it. */
  readonly most: string;
  readonly mostBytes: number;
  /** What was held before. */
  readonly heldBytes: number;
}

/** Of the bound: where those who stand still begin to give way, and what is left for new ones then. */
const FULL = 7 / 8;
const ROOMY = 3 / 4;
/** Whoever reads returns credit far more often than this, unless it is as slow as who does not. */
const STILL_MS = 1_000;

export class HeldMemory {
  readonly bytesMax: number;
  readonly #sources: readonly HeldSource[];
  #relieving = false;
  streamsShed = 0;
  bytesShed = 0;

  constructor(bytesMax: number, sources: readonly HeldSource[]) {
    this.bytesMax = bytesMax;
    this.#sources = sources;
  }

  get heldBytes(): number {
    return this.#sources.reduce((sum, source) => sum + source.heldBytes, 0);
  }

  /** Sheds what is too much now; undefined where nothing had to go. */
  relieve(now: number): Shed | undefined {
    const heldBytes = this.heldBytes;
    // Who is told that it ends may do things that bring us here again.
    if (heldBytes <= FULL * this.bytesMax || this.#relieving) return undefined;
    this.#relieving = true;
    try {
      return this.#shed(now, heldBytes);
    } finally {
      this.#relieving = false;
    }
  }

  #shed(now: number, heldBytes: number): Shed | undefined {
    const holders = this.#sources.flatMap((source) => source.holders(now));
    const still = holders.filter(({ stillMs }) => stillMs >= STILL_MS);
    const room = ROOMY * this.bytesMax;
    let chosen = greediest(still, heldBytes - room);
    const left = heldBytes - sumOf(chosen);
    if (left > this.bytesMax) chosen = greediest(holders, heldBytes - room);
    if (chosen.length === 0) return undefined;
    const bytes = sumOf(chosen);
    const [most, mostBytes] = greatestPayer(chosen);
    const error = new PolarityError("OVER_SHARE", reasonOf(this.bytesMax));
    for (const holder of chosen) holder.shed(error);
    this.streamsShed += chosen.length;
    this.bytesShed += bytes;
    return { streams: chosen.length, bytes, most, mostBytes, heldBytes };
  }
}

function reasonOf(bytesMax: number): string {
  const bound = `${bytesMax} bytes that may be held`;
  return `its client holds more than its share of what nobody reads, and nearly all of the ${bound} are (limits.held)`;
}

function sumOf(shares: readonly Share[]): number {
  return shares.reduce((sum, { amount }) => sum + amount, 0);
}

function greatestPayer(holders: readonly Holder[]): readonly [string, number] {
  let most = "";
  let mostBytes = 0;
  for (const [payer, of] of Map.groupBy(holders, ({ path }) => path[0] ?? "")) {
    const bytes = sumOf(of);
    if (bytes <= mostBytes) continue;
    most = payer;
    mostBytes = bytes;
  }
  return [most, mostBytes];
}
