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

/** A chunked body, mostly well-formed: sizes in every spelling, extensions, trailers, and data that looks like framing. */
export function chunkedBody(random: Random): string {
  let body = "";
  for (let count = random(4); count > 0; count--) {
    const data = CHUNK_DATA[random(CHUNK_DATA.length)] as string;
    body += `${sizeOf(data.length, random)}${extensionOf(random)}\r\n${data}\r\n`;
  }
  body += `${"0".repeat(1 + random(3))}${extensionOf(random)}\r\n`;
  for (let count = random(3); count > 0; count--) body += `${TRAILERS[random(TRAILERS.length)]}\r\n`;
  return `${body}\r\n`;
}

function sizeOf(length: number, random: Random): string {
  const digits = length.toString(16);
  return "0".repeat(random(3)) + (random(2) === 0 ? digits : digits.toUpperCase());
}

function extensionOf(random: Random): string {
  return random(3) === 0 ? (EXTENSIONS[random(EXTENSIONS.length)] as string) : "";
}

const CHUNK_DATA: readonly string[] = [
  "a",
  "\r\n",
  "0\r\n\r\n",
  "GET /in HTTP/1.1\r\nHost: a\r\n\r\n",
  "\0\xff\x80\n\r",
  "0123456789abcdef".repeat(20),
];
const EXTENSIONS: readonly string[] = [
  ";a",
  ";a=b",
  ';a="b;c"',
  ';a="\\""',
  ";a;b=c",
  ";",
  ";a=",
  " ;a",
  ";a\n",
  ';a="\n"',
  "\t",
];
const TRAILERS: readonly string[] = [
  "X: y",
  "X:",
  "x-y:  z ",
  "Content-Length: 5",
  "X : y",
  " folded",
  "X: y\nZ: z",
  "Trailer: X",
];

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
