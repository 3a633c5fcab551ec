/**
 * The first line of a stream: which service its opener wants, and for whom.
 *
 * Pure. Openers send the same line for every request of a client, so parsed lines are kept in two small generations of a
 * cache: a hit costs one map look-up, a miss one JSON.parse.
 */
import { PolarityError } from "../base/errors.ts";
import { asciiJson, type StreamProtocol } from "../base/upstream.ts";
import { NAME_LENGTH_MAX } from "./link-limits.ts";

export interface Preamble {
  readonly service: string;
  readonly protocol: StreamProtocol;
  /** The client's address as `host:port`; empty when there is none. */
  readonly client: string;
}

const CACHED_LENGTH_MAX = 512;
const GENERATION_SIZE = 512;
const CLIENT_LENGTH_MAX = 256;

export class PreambleReader {
  #young = new Map<string, Preamble>();
  #old = new Map<string, Preamble>();

  /** Reads the line in `bytes` from `start` to `end`. Throws `PREAMBLE_INVALID`. */
  read(bytes: Buffer, start: number, end: number): Preamble {
    if (end - start > CACHED_LENGTH_MAX) return parsePreamble(bytes.toString("utf8", start, end));
    const key = bytes.toString("latin1", start, end);
    const known = this.#young.get(key);
    if (known !== undefined) return known;
    const preamble = this.#old.get(key) ?? parsePreamble(bytes.toString("utf8", start, end));
    if (this.#young.size >= GENERATION_SIZE) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, preamble);
    return preamble;
  }
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
  const { service, protocol, client = "" } = value as { service?: unknown; protocol?: unknown; client?: unknown };
  if (typeof service !== "string" || service === "" || service.length > NAME_LENGTH_MAX) {
    throw new PolarityError("PREAMBLE_INVALID", `service: expected a name of 1 to ${NAME_LENGTH_MAX} characters`);
  }
  if (protocol !== "tcp" && protocol !== "http/1.1" && protocol !== "udp") {
    throw new PolarityError("PREAMBLE_INVALID", 'protocol: expected "tcp", "http/1.1" or "udp"');
  }
  if (typeof client !== "string" || client.length > CLIENT_LENGTH_MAX) {
    throw new PolarityError("PREAMBLE_INVALID", `client: expected a text of at most ${CLIENT_LENGTH_MAX} characters`);
  }
  return { service, protocol, client };
}
