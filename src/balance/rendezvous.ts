/**
 * Rendezvous hashing: a key goes to the candidate that, mixed with the key, scores highest.
 *
 * Every candidate scores on its own, so one that leaves moves only its own keys, to each of the others by its weight, and
 * one that comes takes only what it will serve. Making a picker: O(n). pick: O(n), no allocation.
 */
import type { Candidate } from "./picker.ts";

const FNV_START = 0x811c9dc5;

/** 32 bits of any text, alike in every process; other ones for every seed. */
export function hashText(text: string, seed = 0): number {
  let hash = FNV_START ^ mix(seed);
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return mix(hash);
}

/** 64 bits of a text as 16 hexadecimal digits, from which it cannot be read. */
export function opaqueId(text: string): string {
  return hexOf(hashText(text)) + hexOf(hashText(text, 1));
}

/** A hash as 8 hexadecimal digits. */
export function hexOf(hash: number): string {
  return (hash >>> 0).toString(16).padStart(8, "0");
}

/** A number in [0, 1) of a hash. */
export function fractionOf(hash: number): number {
  return (hash >>> 0) / 2 ** 32;
}

export class RendezvousPicker<T extends Candidate> {
  readonly #candidates: readonly T[];
  readonly #hashes: Int32Array;

  /** `nameOf`: what makes a candidate the same in every process. Those of one name are one, and share its keys by load. */
  constructor(candidates: readonly T[], nameOf: (candidate: T) => string) {
    this.#candidates = candidates;
    this.#hashes = Int32Array.from(candidates, (candidate) => hashText(nameOf(candidate)));
  }

  /** The candidate for a key's hash that is not in `excluded`, of those that cost least; undefined when none is left. */
  pick(key: number, excluded: readonly T[] | undefined): T | undefined {
    let best: T | undefined;
    let bestScore = 0;
    for (let index = 0; index < this.#candidates.length; index++) {
      const candidate = this.#candidates[index]!;
      if (excluded !== undefined && excluded.includes(candidate)) continue;
      if (best !== undefined && candidate.cost > best.cost) continue;
      const score = scoreOf(key, this.#hashes[index]!, candidate.weight);
      const isBetter = best === undefined || candidate.cost < best.cost || score > bestScore;
      if (!isBetter && (score < bestScore || candidate.outstanding >= best!.outstanding)) continue;
      best = candidate;
      bestScore = score;
    }
    return best;
  }
}

/** So distributed that a candidate's chance to score highest is its share of the weights. */
function scoreOf(key: number, hash: number, weight: number): number {
  const uniform = (mix(key ^ Math.imul(hash, 0x9e3779b1)) >>> 0) + 0.5;
  return -weight / Math.log(uniform / 2 ** 32);
}

/** Spreads every bit of a 32-bit number over all of them. */
function mix(value: number): number {
  let hash = value ^ (value >>> 16);
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
