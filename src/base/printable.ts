/**
 * Text of others made fit for a terminal or a log: what would steer the terminal, break the line or turn its order round is
 * shown as an escape instead. Printable text stays as it is, in any script.
 */
export function printable(text: string): string {
  return UNPRINTABLE.test(text) ? text.replace(ALL_UNPRINTABLE, escaped) : text;
}

// Controls of both sets, line and paragraph separators, marks and overrides of direction, and what has no width.
// oxlint-disable-next-line no-control-regex
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/;
const ALL_UNPRINTABLE = new RegExp(UNPRINTABLE, "g");

function escaped(character: string): string {
  const code = character.charCodeAt(0);
  return code <= 0xff ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
}
