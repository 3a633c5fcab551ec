/** Every family of metrics is in docs/METRICS.md, and each that a document names is one. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { metricFamilies, metricsReference } from "../../scripts/metrics-reference.ts";
import { documents } from "../support/documents.ts";

const root = join(import.meta.dirname, "..", "..");
const families = metricFamilies();

/** The formatter aligns tables with blanks and dashes; only the words count. */
const words = (markdown: string): string => markdown.replaceAll(/[\s-]+/g, " ");

test("docs/METRICS.md lists the families (node scripts/write-reference.ts, then npm run format)", () => {
  const document = documents.find(({ path }) => path === "docs/METRICS.md");
  assert.ok(words(document!.text).includes(words(metricsReference())));
});

test("the reference knows every family that the admin API's sources name", () => {
  const sources = ["metrics.ts", "service-metrics.ts", "traffic-metrics.ts"];
  const named = sources
    .flatMap((file) => [...readFileSync(join(root, "src/admin", file), "utf8").matchAll(FAMILY)])
    .flatMap(([, name]) => ["listener", "service"].map((kind) => `polarity_${name!.replace("${kind}", kind)}`));
  const known = new Set(families.map(({ name }) => name));
  assert.ok(known.size > 50, `${known.size} families`);
  assert.deepEqual(new Set(named), new Set([...known].filter((name) => !name.endsWith("_response_seconds"))));
});

/** The name in `counter("…"` and the like. */
const FAMILY = /\b(?:counter|gauge)\(\s*["`]([^"`]+)["`]/g;

test("each family has a sample with its labels in the reference, and a meaning", () => {
  for (const { name, help, values } of families) {
    assert.ok(values.length > 0, `${name}: the node of scripts/metrics-reference.ts has none`);
    assert.match(help, /\.$/, name);
  }
});

test("every metric that a document names is one of the families", () => {
  const known = new Set(
    families.flatMap(({ name, type }) =>
      type === "histogram" ? [name, ...["bucket", "sum", "count"].map((part) => `${name}_${part}`)] : [name],
    ),
  );
  const named = documents.flatMap(({ path, text }) =>
    [...text.matchAll(/\bpolarity_[a-z0-9_]+/g)].map(([name]) => ({ path, name })),
  );
  assert.ok(named.length > 70, `${named.length} names`);
  assert.deepEqual(
    named.filter(({ name }) => !known.has(name)),
    [],
  );
});
