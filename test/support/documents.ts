/** The documents of the repository, and what stands in them: blocks, links and headings. */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..", "..");

export interface MarkdownDocument {
  /** From the repository's folder: `docs/TLS.md`. */
  readonly path: string;
  readonly text: string;
}

export interface Block {
  readonly language: string;
  readonly text: string;
  /** Of its first line. */
  readonly line: number;
  /** What the comment before it says: `part of: listeners[]`, `not polarity: nginx.conf`. */
  readonly note: string;
}

export const documents: readonly MarkdownDocument[] = [
  ...globSync("*.md", { cwd: root }),
  ...globSync("docs/*.md", { cwd: root }),
]
  .sort()
  .map((path) => ({ path, text: readFileSync(join(root, path), "utf8") }));

export function blocksOf({ text }: MarkdownDocument): Block[] {
  const fences = /(?:^<!-- (.+) -->\n+)?^```(\w*)\n([\s\S]*?)^```$/gm;
  return [...text.matchAll(fences)].map((match) => {
    const [whole, note = "", language = "", content = ""] = match;
    const start = match.index + whole.indexOf("```");
    return { note, language, text: content, line: text.slice(0, start).split("\n").length + 1 };
  });
}

/** The text without its blocks, each replaced by as many empty lines. */
export function proseOf({ text }: MarkdownDocument): string {
  return text.replaceAll(/^```[\s\S]*?^```$/gm, (block) => "\n".repeat(block.split("\n").length - 1));
}

export interface Link {
  readonly target: string;
  readonly line: number;
}

export function linksOf(document: MarkdownDocument): Link[] {
  return proseOf(document)
    .split("\n")
    .flatMap((line, index) =>
      [...line.replaceAll(/`[^`]*`/g, "").matchAll(/\]\(([^()\s]+)\)/g)].map(([, target]) => ({
        target: target!,
        line: index + 1,
      })),
    );
}

/** The anchors of a document's headings, as GitHub makes them. */
export function anchorsOf(document: MarkdownDocument): ReadonlySet<string> {
  const anchors = new Set<string>();
  for (const [, heading] of proseOf(document).matchAll(/^#+ (.+)$/gm)) {
    const plain = heading!
      .toLowerCase()
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
      .replaceAll(" ", "-");
    let anchor = plain;
    for (let again = 1; anchors.has(anchor); again++) anchor = `${plain}-${again}`;
    anchors.add(anchor);
  }
  return anchors;
}

/** Code in prose, as one line each. */
export function spansOf(document: MarkdownDocument): { readonly text: string; readonly line: number }[] {
  const prose = proseOf(document);
  return [...prose.matchAll(/(?<!`)`([^`]+)`(?!`)/g)].map((match) => ({
    text: match[1]!.replaceAll(/\s+/g, " "),
    line: prose.slice(0, match.index).split("\n").length,
  }));
}
