/** Go's programs spell long flags with one dash. `foo-proxy` takes the original's so, since scripts have them. */
const FLAG = /^-(?:listen|forward|http|recovery-path|help)(?:=|$)/;

/** The words of the command line, with two dashes where `foo-proxy` was given one. */
export function withGoFlags(words: readonly string[]): string[] {
  const command = words.indexOf("foo-proxy");
  return words.map((word, at) => (command === 2 && at > command && FLAG.test(word) ? `-${word}` : word));
}
