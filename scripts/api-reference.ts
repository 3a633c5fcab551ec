/**
 * The reference of what the package exports, written from the declarations that the compiler emits: their text and their
 * doc comments. The entry's own order, one heading for each name.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const root = join(import.meta.dirname, "..");

interface Exported {
  readonly name: string;
  /** Its declarations, and the source that they are made of. */
  readonly file: string;
  readonly source: string;
}

/** Markdown; takes seconds, as it compiles. */
export function apiReference(): string {
  const folder = mkdtempSync(join(tmpdir(), "polarity-declarations-"));
  try {
    const tsc = join(root, "node_modules/.bin/tsc");
    const emit = ["-p", "tsconfig.build.json", "--emitDeclarationOnly", "--outDir", folder];
    execFileSync(process.execPath, [tsc, ...emit], { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
    return exportsOf(join(folder, "index.d.ts"))
      .sort((left, right) => (left.name < right.name ? -1 : 1))
      .map(sectionOf)
      .join("\n");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function exportsOf(index: string): Exported[] {
  const text = readFileSync(index, "utf8");
  return [...text.matchAll(/export (?:type )?\{([^}]*)\} from "([^"]+)"/g)].flatMap(([, names, from]) =>
    names!
      .split(",")
      .map((name) => name.replace(/\btype\b/, "").trim())
      .filter((name) => name !== "")
      .map((name) => ({
        name,
        file: join(dirname(index), from!.replace(/\.[jt]s$/, ".d.ts")),
        source: join(root, "src", from!.replace(/\.[jt]s$/, ".ts")),
      })),
  );
}

function sectionOf({ name, file, source }: Exported): string {
  const ofFile = commentAt(readFileSync(source, "utf8"), 0);
  const parts = declarationsOf(readFileSync(file, "utf8"), name);
  if (parts.length === 0) throw new Error(`no declaration of ${name} in ${file}`);
  const prose = parts.flatMap(({ doc }) => (doc === "" || doc === ofFile ? [] : [doc]));
  if (prose.length === 0) throw new Error(`${name} has no doc comment`);
  // The compiler indents by four.
  const code = parts.map(({ text }) => shortened(text).replaceAll(/^ +/gm, halved)).join("\n");
  return `### \`${name}\`\n\n${[...new Set(prose)].join("\n\n")}\n\n\`\`\`ts\n${code}\n\`\`\`\n`;
}

function halved(blanks: string): string {
  return " ".repeat(Math.floor(blanks.length / 4) * 2 + (blanks.length % 4));
}

interface Declaration {
  readonly doc: string;
  readonly text: string;
}

/** All declarations of a name: a function may have several. */
function declarationsOf(source: string, name: string): Declaration[] {
  const head = new RegExp(
    `^export (?:declare )?(?:abstract )?(?:function|interface|type|const|class) ${name}\\b`,
    "gm",
  );
  return [...source.matchAll(head)].map(({ index }) => {
    const text = source.slice(index, endOf(source, index)).replace(/^export (?:declare )?/, "");
    return { doc: docBefore(source, index), text };
  });
}

/**
 * Where the statement ends, outside of all brackets and comments: at a semicolon, or, unless a type goes on behind it, at a
 * closing brace at a line's start.
 */
function endOf(source: string, start: number): number {
  let depth = 0;
  for (let at = start; at < source.length; at++) {
    if (source.startsWith("/*", at)) {
      at = source.indexOf("*/", at) + 1;
      continue;
    }
    const character = source[at]!;
    if (`"'\``.includes(character)) {
      at = source.indexOf(character, at + 1);
      continue;
    }
    if ("{([".includes(character)) depth++;
    else if ("})]".includes(character)) depth--;
    if (depth > 0) continue;
    if (character === ";") return at + 1;
    if (character === "}" && source[at - 1] === "\n" && !/^ [|&]/.test(source.slice(at + 1, at + 3))) {
      return source[at + 1] === ";" ? at + 2 : at + 1;
    }
  }
  return source.length;
}

function docBefore(source: string, index: number): string {
  const before = source.slice(0, index).trimEnd();
  if (!before.endsWith("*/")) return "";
  return commentAt(before, before.lastIndexOf("/**"));
}

/** The text of the comment that begins at `start`. */
function commentAt(source: string, start: number): string {
  const lines = source.slice(start + 3, source.indexOf("*/", start)).split("\n");
  return lines
    .map((line) => line.replace(/^\s*\* ?/, "").trimEnd())
    .join("\n")
    .trim();
}

/** What is private is not for readers. */
function shortened(text: string): string {
  return text
    .split("\n")
    .filter((line) => !/^\s*(?:#private|private )/.test(line))
    .join("\n");
}
