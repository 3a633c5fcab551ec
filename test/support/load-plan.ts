/**
 * What a mixed load consists of, made from a seed: connections, and the exchanges on each. The same seed and number give the
 * same connection, whatever else runs beside it.
 *
 * Sizes are drawn from around the multiples of 16 and 64 KiB at which buffers, windows and blocks are full, with heads
 * and chunks in mind.
 */
import { Random } from "./random.ts";

export type AppKind = "h1" | "h2" | "tls" | "unix";
export type ClientKind = "h1" | "h1s" | "h2" | "h2s" | "raw";
export type BodyForm = "length" | "chunked" | "close";
/** `after`: when the upload is read; `early`: at once, reading on; `unread`: at once, and the upload is not read. */
export type AnswerTime = "after" | "early" | "unread";
export type Pace = "fast" | "pieces" | "slow" | "stops";

export interface Exchange {
  readonly id: number;
  readonly up: number;
  readonly upForm: "length" | "chunked";
  readonly upPace: Pace;
  readonly down: number;
  readonly downForm: BodyForm;
  readonly appPace: Pace;
  readonly answer: AnswerTime;
  readonly readerPace: Pace;
  /** The client leaves after so many bytes of the answer; undefined: it stays. */
  readonly abortAt: number | undefined;
}

export interface ConnectionPlan {
  readonly seed: number;
  readonly number: number;
  readonly client: ClientKind;
  /** The way to the app, and which of its apps. */
  readonly way: string;
  readonly app: AppKind | "raw";
  /** Turns, one after the other; what is in one turn is asked at once: pipelined, or on streams side by side. */
  readonly turns: readonly (readonly Exchange[])[];
}

/** A place that clients can reach, and the apps behind it. */
export interface WayChoice {
  readonly name: string;
  readonly clients: readonly ClientKind[];
  readonly apps: readonly AppKind[];
  /** The last hop to the app closes behind each answer, so that an early one may be lost with the rest of the upload. */
  readonly closes: boolean;
}

const KIB = 1024;
/** Apps of HTTP/1.1 answer with heads of this length where they say the body's, so that buffers can be filled to the byte. */
export const ANSWER_HEAD_BYTES = 512;
/** So many connections in a row keep to few apps: what one leaves behind is met only by who comes soon, on the same one. */
const BLOCK_CONNECTIONS = 24;
const PACES: readonly Pace[] = ["fast", "fast", "pieces", "slow", "stops"];

/** Connection `number` of the load with this seed. */
export function planConnection(seed: number, number: number, ways: readonly WayChoice[]): ConnectionPlan {
  const random = new Random((seed ^ Math.imul(number + 1, 0x9e37_79b1)) >>> 0);
  const block = new Random((seed + Math.floor(number / BLOCK_CONNECTIONS) * 977) >>> 0);
  const choices = [block, block].map((of) => ({ way: of.pick(ways), turn: of.below(12) }));
  const { way, turn: favourite } = random.pick(choices);
  const client = random.pick(way.clients);
  const app = client === "raw" ? "raw" : way.apps[favourite % way.apps.length]!;
  const turns: Exchange[][] = [];
  const count = client === "raw" ? 1 : 1 + random.below(6);
  for (let turn = 0; turn < count; turn++) {
    const together = client === "raw" || random.below(3) > 0 ? 1 : 2 + random.below(4);
    const exchanges: Exchange[] = [];
    for (let at = 0; at < together; at++) {
      const id = number * 100 + turn * 10 + at;
      // In a pipeline only the last one may end the connection, or leave an upload behind.
      const mayEnd = client.startsWith("h2") || (at === together - 1 && turn === count - 1);
      exchanges.push(planExchange(random, id, { client, app, together, mayEnd, early: mayEnd && !way.closes }));
    }
    turns.push(exchanges);
  }
  return { seed, number, client, way: way.name, app, turns };
}

interface Place {
  readonly client: ClientKind;
  readonly app: AppKind | "raw";
  readonly together: number;
  /** The connection may end with it. */
  readonly mayEnd: boolean;
  readonly early: boolean;
}

function planExchange(random: Random, id: number, { client, app, together, mayEnd, early }: Place): Exchange {
  const uploads = random.below(2) === 0;
  const most = together > 1 ? 300 * KIB : 3 * 1024 * KIB;
  const answer = uploads && early ? random.pick<AnswerTime>(["after", "after", "early", "unread"]) : "after";
  // An app that closes with an upload unread breaks its own answer.
  const mayClose = mayEnd && app !== "h2" && app !== "raw" && answer === "after";
  const down = random.oneIn(8) ? random.below(300) : sizeNear(random, most);
  return {
    id,
    up: uploads ? sizeNear(random, most) : 0,
    upForm: random.pick(["length", "chunked"]),
    upPace: random.pick(PACES),
    down,
    downForm: random.pick<BodyForm>(mayClose ? ["length", "length", "chunked", "close"] : ["length", "chunked"]),
    appPace: random.pick(PACES),
    answer,
    readerPace: random.pick(PACES),
    abortAt: mayEnd && random.oneIn(client === "raw" ? 4 : 8) ? random.below(down + 1) : undefined,
  };
}

/** Around a multiple of 16 or 64 KiB, mostly a small one. */
function sizeNear(random: Random, most: number): number {
  const unit = random.pick([16, 64]) * KIB;
  const multiples = Math.floor(most / unit);
  const times = 1 + random.below(random.oneIn(3) ? multiples : Math.min(multiples, 8));
  const exact = random.below(2) === 0;
  return Math.max(0, times * unit + (exact ? random.below(3) - 1 - ANSWER_HEAD_BYTES : random.below(401) - 200));
}
