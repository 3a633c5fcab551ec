/** Finds everything by which a TypeScript source reaches another module, in whichever spelling. */
import type { Token } from "./source-tokens.ts";

export interface ModuleReference {
  readonly kind: "static" | "type" | "side-effect" | "re-export" | "dynamic" | "require" | "resolve";
  /** Undefined where the specifier is computed, so that nobody can tell what it reaches. */
  readonly specifier: string | undefined;
  readonly line: number;
}

export function moduleReferencesOf(tokens: readonly Token[]): ModuleReference[] {
  const references: ModuleReference[] = [];
  tokens.forEach((token, index) => {
    if (token.kind !== "word" || isProperty(tokens, index)) return;
    if (token.text === "import") references.push(...importAt(tokens, index));
    else if (token.text === "export") references.push(...exportAt(tokens, index));
    else if (token.text === "require") references.push(...requireAt(tokens, index));
    else if (token.text === "createRequire")
      references.push({ kind: "require", specifier: undefined, line: token.line });
  });
  return references;
}

/** True for `x.name` and `x?.name`, where `name` is no global. */
export function isProperty(tokens: readonly Token[], index: number): boolean {
  const before = tokens[index - 1];
  return before?.kind === "mark" && (before.text === "." || before.text === "?.");
}

export function isMark(token: Token | undefined, text: string): boolean {
  return token?.kind === "mark" && token.text === text;
}

function isWord(token: Token | undefined, text: string): boolean {
  return token?.kind === "word" && token.text === text;
}

function importAt(tokens: readonly Token[], index: number): ModuleReference[] {
  const { line } = tokens[index]!;
  const next = tokens[index + 1];
  if (next?.kind === "string") return [{ kind: "side-effect", specifier: next.text, line }];
  if (isMark(next, "(")) return [{ kind: "dynamic", specifier: literalArgument(tokens, index + 1), line }];
  if (isMark(next, ".")) {
    if (!isWord(tokens[index + 4], "resolve")) return [];
    return [{ kind: "resolve", specifier: literalArgument(tokens, index + 5), line }];
  }
  if (isMark(next, ":") || isMark(next, "?")) return []; // A property that is called `import`.
  const kind = isWord(next, "type") && !isWord(tokens[index + 2], "from") ? "type" : "static";
  return fromClause(tokens, index + 1, kind, line);
}

function exportAt(tokens: readonly Token[], index: number): ModuleReference[] {
  const { line } = tokens[index]!;
  const start = isWord(tokens[index + 1], "type") ? index + 2 : index + 1;
  if (!isMark(tokens[start], "*") && !isMark(tokens[start], "{")) return [];
  if (isMark(tokens[start], "*")) return fromClause(tokens, start, "re-export", line);
  const close = tokens.findIndex((token, at) => at > start && isMark(token, "}"));
  return isWord(tokens[close + 1], "from") ? fromClause(tokens, close, "re-export", line) : [];
}

function requireAt(tokens: readonly Token[], index: number): ModuleReference[] {
  const { line } = tokens[index]!;
  const next = tokens[index + 1];
  if (isMark(next, "(")) return [{ kind: "require", specifier: literalArgument(tokens, index + 1), line }];
  return isMark(next, ".") ? [{ kind: "require", specifier: undefined, line }] : [];
}

/** The string after the next `from`, which ends the clause: names in between are no `from "…"`. */
function fromClause(
  tokens: readonly Token[],
  start: number,
  kind: ModuleReference["kind"],
  line: number,
): ModuleReference[] {
  const from = tokens.findIndex(
    (token, at) => at >= start && isWord(token, "from") && tokens[at + 1]?.kind === "string",
  );
  return from === -1 ? [] : [{ kind, specifier: tokens[from + 1]!.text, line }];
}

/** The only argument of the call that opens at `open`, where it is a plain string. */
function literalArgument(tokens: readonly Token[], open: number): string | undefined {
  const argument = tokens[open + 1];
  const after = tokens[open + 2];
  const alone = isMark(after, ")") || isMark(after, ",");
  return argument?.kind === "string" && alone ? argument.text : undefined;
}
