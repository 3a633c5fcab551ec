/** Whatever a document points to is there: links, anchors and files of the repository, and in the package what ships. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join, normalize } from "node:path";
import { test } from "node:test";
import { anchorsOf, documents, linksOf, type MarkdownDocument, spansOf } from "../support/documents.ts";

const root = join(import.meta.dirname, "..", "..");
const byPath = new Map(documents.map((document) => [document.path, document]));

/** Links to files: where from, and which file and anchor. */
const fileLinks = documents.flatMap((document) =>
  linksOf(document)
    .filter(({ target }) => !/^[a-z]+:/.test(target))
    .map(({ target, line }) => {
      const [file = "", anchor] = target.split("#");
      const path = file === "" ? document.path : normalize(join(document.path, "..", file));
      return { at: `${document.path}:${line}`, from: document, target, path, anchor };
    }),
);

test("every link leads to a file, and every anchor to a heading", () => {
  assert.ok(fileLinks.length > 100, `${fileLinks.length} links`);
  assert.ok(fileLinks.filter(({ anchor }) => anchor !== undefined).length > 25);
  const broken = fileLinks.filter(({ path, anchor }) => {
    if (!existsSync(join(root, path))) return true;
    return anchor !== undefined && !anchors(byPath.get(path)).has(anchor);
  });
  assert.deepEqual(
    broken.map(({ at, target }) => `${at}: ${target}`),
    [],
  );
});

test("every link of a document that ships leads to a file that ships", () => {
  const { files } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { files: readonly string[] };
  const shipped = [...files, "README.md", "LICENSE", "package.json"];
  const ships = (path: string): boolean => shipped.some((entry) => path === entry || path.startsWith(`${entry}/`));
  const lost = fileLinks.filter(({ from, path }) => ships(from.path) && !ships(path));
  assert.deepEqual(
    lost.map(({ at, target }) => `${at}: ${target}`),
    [],
  );
});

test("every file of the repository that a document names is there", () => {
  const named = documents.flatMap((document) =>
    spansOf(document)
      .filter(({ text }) => /^(?:src|test|bench|scripts|examples|docs|\.ci|bin)\/[\w./-]*$/.test(text))
      .map(({ text, line }) => ({ at: `${document.path}:${line}`, path: text })),
  );
  assert.ok(named.length > 150, `${named.length} files`);
  assert.deepEqual(
    named.filter(({ path }) => !existsSync(join(root, path)) && !MADE.has(path)),
    [],
  );
});

/** A placeholder, and what the bench writes. */
const MADE = new Set(["test/system/some.test.ts", "bench/results"]);

test("every document is named in the README", () => {
  const readme = new Set(fileLinks.filter(({ from }) => from.path === "README.md").map(({ path }) => path));
  assert.deepEqual(
    documents.map(({ path }) => path).filter((path) => path !== "README.md" && !readme.has(path)),
    [],
  );
});

function anchors(document: MarkdownDocument | undefined): ReadonlySet<string> {
  return document === undefined ? new Set() : anchorsOf(document);
}
