/** What peers say in words, fit for messages and logs. */
const WORDS_MAX = 200;

/** In brackets and quotes behind a sentence; empty for nothing. */
export function saying(words: string): string {
  if (words === "") return "";
  // oxlint-disable-next-line no-control-regex -- what would end a line or hide in it
  const clean = words.slice(0, WORDS_MAX).replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, " ");
  return ` (it says ${JSON.stringify(clean)})`;
}
