/** docs/SEEDS.md says who shows each thing that it promises: a check of an example, or a test, which must be there. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const root = join(import.meta.dirname, "..", "..");
const text = readFileSync(join(root, "docs/SEEDS.md"), "utf8");
/** Every line of these is shown; the others may be. */
const SHOWN = ["Cranker", "putsh", "Operator", "Foo Protocol Proxy", "Cloudbus"];

test("each line of the five systems names an example's check or a test, and it exists", () => {
  for (const section of SHOWN) {
    const tables = tablesOf(sectionOf(section));
    assert.ok(tables.length > 0, section);
    for (const table of tables) assert.equal(table.header.at(-1), "Shown by", section);
  }
  const rows = tablesOf(text)
    .filter(({ header }) => header.at(-1) === "Shown by")
    .flatMap(({ rows }) => rows);
  assert.ok(rows.length > 40, "the tables are read");
  assert.deepEqual(rows.flatMap(problemsOf), []);
});

test("each example is named with the command that runs it", () => {
  for (const example of ["cranker", "operator", "putsh"]) {
    assert.ok(text.includes(`\`node examples/${example}/main.ts\``), example);
  }
});

interface Table {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

function sectionOf(title: string): string {
  const start = text.indexOf(`\n## ${title}\n`);
  const end = text.indexOf("\n## ", start + 1);
  return text.slice(start, end === -1 ? undefined : end);
}

function tablesOf(part: string): Table[] {
  return [...part.matchAll(/(?:^\|.*\n)+/gm)].map(([table]) => {
    const [header, , ...rows] = table.trim().split("\n").map(cellsOf);
    return { header: header!, rows };
  });
}

function cellsOf(line: string): string[] {
  return line
    .slice(1, -1)
    .split("|")
    .map((cell) => cell.trim());
}

/** What is wrong with the last cell: a path in backquotes and a title in quotes, one or several. */
function problemsOf(row: readonly string[]): string[] {
  const proofs = [...row.at(-1)!.matchAll(/`([^`]+\.ts)` "([^"]+)"/g)];
  if (proofs.length === 0) return [`${row[0]}: nothing shows it`];
  return proofs.flatMap(([, target, title]) => {
    const path = join(root, target!);
    if (!existsSync(path)) return [`${row[0]}: ${target} is not there`];
    // Ends where the name ends, and begins where it does or behind what a loop puts before it.
    const named = new RegExp(`(?:["\`]|\\} |: )${RegExp.escape(title!)}["\`]`);
    return named.test(readFileSync(path, "utf8")) ? [] : [`${row[0]}: ${target} has no "${title}"`];
  });
}
