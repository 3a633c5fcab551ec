/** Seeded mutations of HTTP messages, for fuzz tests that can be repeated. */

/** A whole number from 0 to below `limit`. */
export type Random = (limit: number) => number;

/** xorshift32: small, seeded, good enough to choose mutations. */
export function generator(seed: number): Random {
  let state = seed | 0 || 1;
  return (limit) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % limit;
  };
}

/** One of `seeds` with up to three changes: bytes, pieces of syntax, or whole `lines` put in, lost or doubled. */
export function mutated(seeds: readonly string[], lines: readonly string[], random: Random): string {
  let text = seeds[random(seeds.length)] as string;
  for (let rounds = random(4); rounds > 0; rounds--) {
    const at = random(text.length + 1);
    switch (random(7)) {
      case 0:
        text = text.slice(0, at) + BYTES.charAt(random(BYTES.length)) + text.slice(at + 1);
        break;
      case 1:
        text = text.slice(0, at) + BYTES.charAt(random(BYTES.length)) + text.slice(at);
        break;
      case 2:
        text = text.slice(0, at) + text.slice(at + 1 + random(3));
        break;
      case 3:
        text = text.slice(0, at) + (PIECES[random(PIECES.length)] as string) + text.slice(at);
        break;
      case 4:
        text = withLine(text, lines[random(lines.length)] as string, random);
        break;
      case 5:
        text = withSwappedCase(text, at);
        break;
      default:
        text = withDoubledLine(text, random);
        break;
    }
  }
  return text;
}

/** The bytes cut at random places, mostly into very small pieces. */
export function cut(input: Buffer, random: Random): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < input.length;) {
    const to = Math.min(input.length, at + 1 + random(random(4) === 0 ? 64 : 6));
    chunks.push(input.subarray(at, to));
    at = to;
  }
  return chunks;
}

const BYTES = "\0\t\n\v\f\r !\"#%&'()*+,-./0:;<=>?@A[\\]^_`a{|}~\x7f\x80\xa0\xff5xG";
const PIECES: readonly string[] = [
  "\r\n",
  "\n",
  "\r",
  "\r\n\r\n",
  "0\r\n\r\n",
  ";a=b",
  ';a="',
  "0x",
  " ",
  "\t",
  "chunked",
  "HTTP/1.1",
  "//",
  "://",
  "@",
  "*",
];

function withLine(text: string, line: string, random: Random): string {
  const lines = text.split("\r\n");
  lines.splice(1 + random(Math.max(1, lines.length - 1)), 0, line);
  return lines.join("\r\n");
}

function withDoubledLine(text: string, random: Random): string {
  const lines = text.split("\r\n");
  const from = random(lines.length);
  lines.splice(1 + random(lines.length), 0, lines[from] as string);
  return lines.join("\r\n");
}

function withSwappedCase(text: string, at: number): string {
  const character = text.charAt(at);
  const swapped = character === character.toLowerCase() ? character.toUpperCase() : character.toLowerCase();
  return swapped.length === 1 && swapped.charCodeAt(0) < 0x80 ? text.slice(0, at) + swapped + text.slice(at + 1) : text;
}
