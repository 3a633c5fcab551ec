/**
 * The first line of a stream: which service its opener wants, and for whom.
 *
 * Pure. Openers send the same line for every request of a client, so parsed lines are kept in a small table by a hash of
 * their bytes: a hit costs a comparison of bytes or two, a miss one JSON.parse. Each place of the table holds two lines,
 * since of hundreds of clients some always share a place, and would drive each other out.
 */
import { PolarityError } from "../base/errors.ts";
import { asciiJson, type StreamProtocol } from "../base/upstream.ts";
import { HOPS_MAX, NAME_LENGTH_MAX } from "./link-limits.ts";

export interface Preamble {
  readonly service: string;
  readonly protocol: StreamProtocol;
  /** The client's address as `host:port`; empty when there is none. */
  readonly client: string;
  /** The opener asks a router to find somebody else who offers the service. */
  readonly relay: boolean;
  /** With `relay`: only this node's offers will do. */
  readonly node: string | undefined;
  /** With `relay`: how long to wait for an offer. */
  readonly waitMs: number;
  /** With `relay`: the instances that the stream has passed, its opener last. */
  readonly via: readonly string[];
  /** The opener wants to hear on the control stream when somebody serves it. */
  readonly confirm: boolean;
}

const CACHED_LENGTH_MAX = 512;
/** A power of two. */
const PLACES = 512;
/** What the hash looks at: `:50123"}` and a bit. */
const TAIL_BYTES = 12;
const CLIENT_LENGTH_MAX = 256;
const RELAY_WAIT_MS = 5_000;
/** However long the far side would wait, it takes one of the places for those who wait here. */
const RELAY_WAIT_MAX_MS = 60_000;

interface CachedPreamble {
  readonly bytes: Buffer;
  readonly preamble: Preamble;
}

export class PreambleReader {
  /** The two of each place side by side, the one used last first. */
  readonly #cached: (CachedPreamble | undefined)[] = [];

  /** Reads the line in `bytes` from `start` to `end`. Throws `PREAMBLE_INVALID`. */
  read(bytes: Buffer, start: number, end: number): Preamble {
    const length = end - start;
    if (length > CACHED_LENGTH_MAX || length < TAIL_BYTES) return parsePreamble(bytes.toString("utf8", start, end));
    const cached = this.#cached;
    const place = placeOf(bytes, end, length);
    const first = cached[place];
    if (first !== undefined && isLine(first, bytes, start, length)) return first.preamble;
    const second = cached[place + 1];
    if (second !== undefined && isLine(second, bytes, start, length)) {
      cached[place] = second;
      cached[place + 1] = first;
      return second.preamble;
    }
    const preamble = parsePreamble(bytes.toString("utf8", start, end));
    // Filled as it grows, so that a link with few clients keeps few.
    while (cached.length <= place + 1) cached.push(undefined);
    cached[place + 1] = first;
    cached[place] = { bytes: Buffer.from(bytes.subarray(start, end)), preamble };
    return preamble;
  }
}

/** Lines differ in their ends, where the client's port stands. */
function placeOf(bytes: Buffer, end: number, length: number): number {
  let hash = length;
  for (let at = end - TAIL_BYTES; at < end; at++) hash = (Math.imul(hash, 31) + bytes[at]!) | 0;
  return (hash & (PLACES - 1)) * 2;
}

function isLine(cached: CachedPreamble, bytes: Buffer, start: number, length: number): boolean {
  const line = cached.bytes;
  if (line.length !== length) return false;
  for (let at = length - 1; at >= 0; at--) if (line[at] !== bytes[start + at]) return false;
  return true;
}

/** Throws `PREAMBLE_INVALID`; unknown fields are passed over. */
export function parsePreamble(line: string): Preamble {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new PolarityError("PREAMBLE_INVALID", `the preamble is not JSON: ${asciiJson(line.slice(0, 80))}`, error);
  }
  if (typeof value !== "object" || value === null) {
    throw new PolarityError("PREAMBLE_INVALID", "the preamble is not a JSON object");
  }
  const fields = value as Readonly<Record<string, unknown>>;
  const {
    service,
    protocol,
    client = "",
    relay = false,
    node,
    wait = RELAY_WAIT_MS,
    via = NOBODY,
    confirm = false,
  } = fields;
  if (!isName(service)) throw new PolarityError("PREAMBLE_INVALID", `service: ${NAME_EXPECTED}`);
  if (protocol !== "tcp" && protocol !== "http/1.1" && protocol !== "udp") {
    throw new PolarityError("PREAMBLE_INVALID", 'protocol: expected "tcp", "http/1.1" or "udp"');
  }
  if (typeof client !== "string" || client.length > CLIENT_LENGTH_MAX || CONTROL_CHARACTERS.test(client)) {
    const expected = `expected a text of at most ${CLIENT_LENGTH_MAX} characters without control characters`;
    throw new PolarityError("PREAMBLE_INVALID", `client: ${expected}`);
  }
  if (typeof relay !== "boolean") throw new PolarityError("PREAMBLE_INVALID", "relay: expected true or false");
  if (node !== undefined && !isName(node)) throw new PolarityError("PREAMBLE_INVALID", `node: ${NAME_EXPECTED}`);
  if (typeof wait !== "number" || !(wait >= 0)) {
    throw new PolarityError("PREAMBLE_INVALID", "wait: expected a number of milliseconds");
  }
  if (typeof confirm !== "boolean") throw new PolarityError("PREAMBLE_INVALID", "confirm: expected true or false");
  if (!Array.isArray(via) || via.length > HOPS_MAX || !via.every(isName)) {
    throw new PolarityError("PREAMBLE_INVALID", `via: expected a list of at most ${HOPS_MAX} instances`);
  }
  return { service, protocol, client, relay, node, via, waitMs: Math.min(wait, RELAY_WAIT_MAX_MS), confirm };
}

const NOBODY: readonly string[] = [];
const NAME_EXPECTED = `expected a name of 1 to ${NAME_LENGTH_MAX} characters without control characters`;
// What a preamble says ends up in logs, where it must not look like a line of its own.
// oxlint-disable-next-line no-control-regex
const CONTROL_CHARACTERS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;

function isName(value: unknown): value is string {
  return (
    typeof value === "string" && value !== "" && value.length <= NAME_LENGTH_MAX && !CONTROL_CHARACTERS.test(value)
  );
}
