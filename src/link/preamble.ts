/**
 * The first line of a stream: which service its opener wants, and for whom.
 *
 * Pure. Openers send the same few services and the same few clients again and again, if not together: what stands before the
 * client and the client are each kept in a small table by a hash of their bytes, and so are lines that do not end with one. A
 * line that is known costs one or two comparisons of bytes, any other a JSON.parse.
 */
import { parseJson } from "../base/bounded-json.ts";
import { messageOf, PolarityError } from "../base/errors.ts";
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

/** A power of two: how many beginnings of lines a link keeps, and as many whole lines and clients. */
const PLACES = 1024;
/** Longer ones are not kept. */
const BEGINNING_BYTES_MAX = 256;
const CLIENT_BYTES_MAX = 64;
const CLIENT_LENGTH_MAX = 256;
const RELAY_WAIT_MS = 5_000;
/** However long the far side would wait, it takes one of the places for those who wait here. */
const RELAY_WAIT_MAX_MS = 60_000;

interface Kept<Value> {
  readonly bytes: Uint8Array;
  readonly value: Value;
}

export class PreambleReader {
  /** What lines say before their client. */
  readonly #beginnings: (Kept<Preamble> | undefined)[] = [];
  readonly #clients: (Kept<string> | undefined)[] = [];
  /** Lines that do not end with a client. */
  readonly #lines: (Kept<Preamble> | undefined)[] = [];

  /** Reads the line in `bytes` from `start` to `end`. Throws `PREAMBLE_INVALID`. */
  read(bytes: Buffer, start: number, end: number): Preamble {
    const clientAt = clientStart(bytes, start, end);
    if (clientAt < 0) return this.#line(bytes, start, end);
    const { service, protocol, relay, node, waitMs, via, confirm } = this.#beginning(
      bytes,
      start,
      clientAt - CLIENT_FIELD.length,
    );
    return { service, protocol, client: this.#client(bytes, clientAt, end - 2), relay, node, waitMs, via, confirm };
  }

  #line(bytes: Buffer, start: number, end: number): Preamble {
    if (end - start > BEGINNING_BYTES_MAX) return parsePreamble(bytes.toString("utf8", start, end));
    const place = placeOf(bytes, start + SERVICE_AT, end);
    const kept = this.#lines[place];
    if (kept !== undefined && isSame(kept.bytes, bytes, start, end)) return kept.value;
    const value = parsePreamble(bytes.toString("utf8", start, end));
    keep(this.#lines, place, bytes, start, end, value);
    return value;
  }

  #beginning(bytes: Buffer, start: number, end: number): Preamble {
    const place = placeOf(bytes, start + SERVICE_AT, end);
    const kept = this.#beginnings[place];
    if (kept !== undefined && isSame(kept.bytes, bytes, start, end)) return kept.value;
    const value = parsePreamble(`${bytes.toString("utf8", start, end)}}`);
    keep(this.#beginnings, place, bytes, start, end, value);
    return value;
  }

  #client(bytes: Buffer, start: number, end: number): string {
    const place = placeOf(bytes, Math.max(start, end - HASHED_BYTES), end);
    const kept = this.#clients[place];
    if (kept !== undefined && isSame(kept.bytes, bytes, start, end)) return kept.value;
    const value = bytes.toString("latin1", start, end);
    keep(this.#clients, place, bytes, start, end, value);
    return value;
  }
}

/** Where services begin to differ in the lines of most openers: behind `{"service":"`. */
const SERVICE_AT = 12;
const CLIENT_FIELD = Buffer.from(',"client":"');
const QUOTE = 0x22;
const BRACE = 0x7d;
const BACKSLASH = 0x5c;
/** What the hash looks at. */
const HASHED_BYTES = 16;

/**
 * Where the value of the line's last field begins, if that is a client of a few plain characters; else -1. Its quotes are
 * no part of any other string if what stands before the field is an object without its brace, which its reader finds out.
 */
function clientStart(bytes: Buffer, start: number, end: number): number {
  if (bytes[end - 1] !== BRACE || bytes[end - 2] !== QUOTE) return -1;
  let at = end - 3;
  const least = Math.max(start + CLIENT_FIELD.length, end - 2 - CLIENT_BYTES_MAX);
  for (; at >= least && bytes[at] !== QUOTE; at--) {
    const byte = bytes[at]!;
    if (byte < 0x20 || byte > 0x7e || byte === BACKSLASH) return -1;
  }
  const field = at + 1 - CLIENT_FIELD.length;
  if (at < least || field - start > BEGINNING_BYTES_MAX || !isSame(CLIENT_FIELD, bytes, field, at + 1)) return -1;
  return at + 1;
}

function placeOf(bytes: Buffer, start: number, end: number): number {
  let hash = end - start;
  const last = Math.min(end, start + HASHED_BYTES);
  for (let at = start; at < last; at++) hash = (Math.imul(hash, 31) + bytes[at]!) | 0;
  return hash & (PLACES - 1);
}

function isSame(kept: Uint8Array, bytes: Buffer, start: number, end: number): boolean {
  const length = end - start;
  if (kept.length !== length) return false;
  for (let at = length - 1; at >= 0; at--) if (kept[at] !== bytes[start + at]) return false;
  return true;
}

/** The table grows as it is filled, so that a link with few clients keeps few. */
function keep<Value>(
  table: (Kept<Value> | undefined)[],
  place: number,
  bytes: Buffer,
  start: number,
  end: number,
  value: Value,
): void {
  while (table.length <= place) table.push(undefined);
  table[place] = { bytes: Buffer.from(bytes.subarray(start, end)), value };
}

/** Throws `PREAMBLE_INVALID`; unknown fields are passed over. */
export function parsePreamble(line: string): Preamble {
  let value: unknown;
  try {
    value = parseJson(line);
  } catch (error) {
    const said = asciiJson(line.slice(0, 80));
    throw new PolarityError("PREAMBLE_INVALID", `the preamble cannot be read: ${messageOf(error)}: ${said}`);
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
  if (!isClient(client)) {
    const expected = `expected a text of at most ${CLIENT_LENGTH_MAX} whole characters without control characters`;
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
const NAME_EXPECTED = `expected a name of 1 to ${NAME_LENGTH_MAX} whole characters without control characters`;
// What a preamble says ends up in logs, where it must not look like a line of its own.
// oxlint-disable-next-line no-control-regex
const CONTROL_CHARACTERS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;

function isClient(value: unknown): value is string {
  return (
    typeof value === "string" &&
    value.length <= CLIENT_LENGTH_MAX &&
    !CONTROL_CHARACTERS.test(value) &&
    value.isWellFormed()
  );
}

function isName(value: unknown): value is string {
  if (typeof value !== "string" || value === "" || value.length > NAME_LENGTH_MAX) return false;
  return !CONTROL_CHARACTERS.test(value) && value.isWellFormed();
}
