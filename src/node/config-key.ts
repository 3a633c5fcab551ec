/** Tells whether a part of the configuration changed, the contents of its files included. */
import { LoadedText } from "../config/loaded-text.ts";
import { TokenSet } from "../link/tokens.ts";

/** Those of `parts` that are not the same in both. */
export function changedParts<Part extends string>(
  old: Readonly<Record<Part, unknown>>,
  next: Readonly<Record<Part, unknown>>,
  parts: readonly Part[],
): readonly Part[] {
  return parts.filter((part) => configKey(old[part]) !== configKey(next[part]));
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
