/**
 * Cuts TypeScript into tokens, so that rules about the source look at code and never at comments or the inside of strings.
 *
 * Code inside a template's `${…}` is code. A `/` after a value divides, elsewhere it opens a regular expression; after
 * `)` and `}` it is taken to divide, which formatted code nearly always means.
 */

export interface Token {
  readonly kind: "word" | "number" | "string" | "template" | "regex" | "mark";
  /** For a string: its content as written, without quotes. For marks: one character, or `...`, `?.`, `=>`. */
  readonly text: string;
  readonly line: number;
}

const WORD_START = /[\p{ID_Start}$_#@]/u;
const WORD = /[\p{ID_Continue}$_#@]+/uy;
const NUMBER = /(?:0[xXbBoO][\da-fA-F_]+|[\d_]*\.?[\d_]+(?:[eE][+-]?\d+)?)n?/y;
const LONG_MARKS = ["...", "?.", "=>"];
// A value cannot end with these words, so what follows them is not a division.
const BEFORE_REGEX = new Set([
  "return",
  "typeof",
  "case",
  "in",
  "of",
  "do",
  "else",
  "void",
  "delete",
  "throw",
  "new",
  "await",
  "yield",
]);

export function tokensOf(source: string): Token[] {
  const tokens: Token[] = [];
  /** For each open template substitution, how many braces are open inside it. */
  const substitutions: number[] = [];
  let at = 0;
  let line = 1;

  const take = (kind: Token["kind"], end: number, text: string): void => {
    tokens.push({ kind, text, line });
    skip(end);
  };
  const skip = (end: number): void => {
    for (let index = at; index < end; index++) if (source[index] === "\n") line += 1;
    at = end;
  };
  const match = (pattern: RegExp): string => {
    pattern.lastIndex = at;
    return pattern.exec(source)?.[0] ?? "";
  };

  while (at < source.length) {
    const character = source[at]!;
    const pair = source.slice(at, at + 2);
    if (/\s/.test(character)) skip(at + 1);
    else if (pair === "//" || (at === 0 && pair === "#!")) skip(indexOrEnd(source, "\n", at));
    else if (pair === "/*") skip(indexOrEnd(source, "*/", at + 2) + 2);
    else if (character === '"' || character === "'") {
      const end = endOfQuoted(source, at, character);
      take("string", end, source.slice(at + 1, end - 1));
    } else if (character === "`" || (character === "}" && substitutions.at(-1) === 0)) {
      if (character === "}") substitutions.pop();
      const end = endOfTemplatePart(source, at + 1);
      const opens = source[end - 1] === "{";
      if (opens) substitutions.push(0);
      take("template", end, source.slice(at + 1, end - (opens ? 2 : 1)));
    } else if (WORD_START.test(character)) {
      const word = match(WORD);
      take("word", at + word.length, word);
    } else if (/\d/.test(character) || (character === "." && /\d/.test(source[at + 1] ?? ""))) {
      const number = match(NUMBER);
      take("number", at + number.length, number);
    } else if (character === "/" && !endsValue(tokens.at(-1))) {
      const end = endOfRegex(source, at);
      take("regex", end, source.slice(at, end));
    } else {
      const mark = LONG_MARKS.find((long) => source.startsWith(long, at)) ?? character;
      const depth = substitutions.length - 1;
      if (depth >= 0 && mark === "{") substitutions[depth]! += 1;
      if (depth >= 0 && mark === "}") substitutions[depth]! -= 1;
      take("mark", at + mark.length, mark);
    }
  }
  return tokens;
}

function endsValue(token: Token | undefined): boolean {
  if (token === undefined) return false;
  if (token.kind === "word") return !BEFORE_REGEX.has(token.text);
  return token.kind !== "mark" || token.text === ")" || token.text === "]" || token.text === "}";
}

function indexOrEnd(source: string, text: string, from: number): number {
  const index = source.indexOf(text, from);
  return index === -1 ? source.length : index;
}

function endOfQuoted(source: string, start: number, quote: string): number {
  let at = start + 1;
  while (at < source.length && source[at] !== quote) at += source[at] === "\\" ? 2 : 1;
  return at + 1;
}

/** Just past the closing backtick or the next `${`. */
function endOfTemplatePart(source: string, start: number): number {
  let at = start;
  while (at < source.length && source[at] !== "`") {
    if (source.startsWith("${", at)) return at + 2;
    at += source[at] === "\\" ? 2 : 1;
  }
  return at + 1;
}

function endOfRegex(source: string, start: number): number {
  let at = start + 1;
  let inClass = false;
  while (at < source.length && source[at] !== "\n" && (inClass || source[at] !== "/")) {
    if (source[at] === "[") inClass = true;
    if (source[at] === "]") inClass = false;
    at += source[at] === "\\" ? 2 : 1;
  }
  return at + 1;
}
