/**
 * JSON of strangers: how deep it may be is found out before anything looks into it, because parsers, printers and whoever
 * walks through a value call themselves for each level, and a stack that overflows is an exception of its own kind.
 *
 * parseJson: O(length), one pass more than JSON.parse. describeJson: O(1), never looks into a value.
 */
import { asciiJson } from "./upstream.ts";

/** More than anything that is said here needs. */
export const JSON_DEPTH_MAX = 32;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const SHOWN_LENGTH_MAX = 80;

/** Throws an Error that quotes nothing of the text: it may hold a secret. */
export function parseJson(text: string, depthMax: number = JSON_DEPTH_MAX): unknown {
  if (isDeeper(text, depthMax)) throw new Error(`it is nested more than ${depthMax} levels deep`);
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`it is not JSON (${text.length} characters)`);
  }
}

/** What a value is, for people: a short value itself, of a list or an object only how much there is. In ASCII. */
export function describeJson(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "string") {
    // The cut must not leave half a character.
    const shown = value.length > SHOWN_LENGTH_MAX ? `${value.slice(0, SHOWN_LENGTH_MAX)}…` : value;
    return asciiJson(shown);
  }
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === "number" || typeof value === "boolean" || value === null) return String(value);
  return "an object";
}

function isDeeper(text: string, depthMax: number): boolean {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (inString) {
      if (code === BACKSLASH) at++;
      else if (code === QUOTE) inString = false;
    } else if (code === QUOTE) {
      inString = true;
    } else if (code === 0x7b || code === 0x5b) {
      if (++depth > depthMax) return true;
    } else if (code === 0x7d || code === 0x5d) {
      depth--;
    }
  }
  return false;
}
