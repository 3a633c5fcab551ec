/** Tells whether a part of the configuration changed, the contents of its files included. */
import { LoadedText } from "../config/loaded-text.ts";
import { TokenSet } from "../link/tokens.ts";

/** Those of `parts` that are not the same in both, but for what files hold. */
export function changedParts<Part extends string>(
  old: Readonly<Record<Part, unknown>>,
  next: Readonly<Record<Part, unknown>>,
  parts: readonly Part[],
): readonly Part[] {
  return parts.filter((part) => shapeKey(old[part]) !== shapeKey(next[part]));
}

/** Equal for parts that differ, if at all, in what the files hold that they name. */
export function shapeKey(part: unknown): string {
  return JSON.stringify(part, function (this: Record<string, unknown>, key, value: unknown) {
    const raw = this[key];
    return raw instanceof TokenSet || raw instanceof LoadedText ? raw.origin : value;
  });
}

/** Equal for equal parts. Holds secrets: for comparing only. */
export function configKey(part: unknown): string {
  return JSON.stringify(part, function (this: Record<string, unknown>, key, value: unknown) {
    // `value` has gone through toJSON already, which hides the text.
    const raw = this[key];
    if (raw instanceof TokenSet) return raw.fingerprint;
    return raw instanceof LoadedText ? [raw.origin, raw.text] : value;
  });
}
