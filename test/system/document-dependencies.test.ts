/** docs/DEPENDENCIES.md says where each package is used, what it brings and under which licence; and names all of them. */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const root = join(import.meta.dirname, "..", "..");
const text = readFileSync(join(root, "docs/DEPENDENCIES.md"), "utf8");

interface Manifest {
  readonly license?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

const manifestOf = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8")) as Manifest;

const { dependencies = {}, devDependencies = {} } = manifestOf(".");

test("the table of packages says what is", () => {
  const rows = [...text.matchAll(/^\| `([^|]+)` +\| ([^|]+)\| ([^|]+)\| ([^|]+)\|$/gm)].map(
    ([, name, rooms, brings, licence]) => [name, rooms!.trim(), Number(brings), licence!.trim()],
  );
  const expected = Object.keys(dependencies).map((name) => {
    const { dependencies: own = {}, license } = manifestOf(`node_modules/${name}`);
    return [name, roomsOf(name), Object.keys(own).length, license];
  });
  const sorted = (list: unknown[][]): string[] => list.map((row) => row.join(" | ")).sort();
  assert.deepEqual(sorted(rows), sorted(expected));
});

test("each package for development is named, types with what they are of", () => {
  const unnamed = Object.keys(devDependencies).filter(
    (name) => !name.startsWith("@types/") && !text.includes(`\`${name}\``),
  );
  assert.deepEqual(unnamed, []);
});

/** The rooms whose sources import it, in the order of the document's own: as the rooms stand in ARCHITECTURE. */
function roomsOf(name: string): string {
  const order = [...readFileSync(join(root, "docs/ARCHITECTURE.md"), "utf8").matchAll(/^\| `(\w+)\/` /gm)].map(
    ([, room]) => room!,
  );
  const using = globSync("src/**/*.ts", { cwd: root })
    .filter((path) => !path.endsWith(".test.ts"))
    .filter((path) => readFileSync(join(root, path), "utf8").includes(`from "${name}"`))
    .map((path) => path.split("/")[1]!);
  return [...new Set(using)]
    .sort((left, right) => order.indexOf(left) - order.indexOf(right))
    .map((room) => `\`${room}\``)
    .join(", ");
}
