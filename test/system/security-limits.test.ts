/** The table of limits in docs/SECURITY.md says what the configuration's schema says. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { configReference } from "../../src/config/reference.ts";

const security = readFileSync(join(import.meta.dirname, "..", "..", "docs", "SECURITY.md"), "utf8");

/** `section.key` to the default, as the reference writes it: `"10s"`, `1024`, or nothing. */
const defaults = new Map(
  configReference()
    .split("### `")
    .flatMap((section) => {
      const name = section.slice(0, section.indexOf("`"));
      return [...section.matchAll(/^\| `([^`]+)` \| [^|]*\| (?:`([^`]*)`)? ?\|/gm)].map(
        ([, key, value]) => [name + (key!.startsWith("[") ? "" : ".") + key!, value ?? ""] as const,
      );
    }),
);

const rows = [...security.matchAll(/^\| ([^|]+)\| ([^|]+)\| [^|]+\|([^|]*)\|$/gm)]
  .map(([, what, values, keys]) => ({ what: what!.trim(), values: parts(values!), keys: parts(keys!) }))
  .filter(({ keys }) => keys[0]?.startsWith("`") === true);

function parts(cell: string): string[] {
  return cell.split(";").map((part) => part.trim());
}

test("every limit that the table names a key for has the default that it says", () => {
  assert.ok(rows.length > 15, `${rows.length} rows`);
  for (const { what, values, keys } of rows) {
    assert.equal(values.length, keys.length, `${what}: a value for each key`);
    for (const [at, key] of keys.entries()) {
      const value = defaults.get(key.replaceAll("`", ""));
      assert.ok(value !== undefined, `${key} is a key of the configuration`);
      const plain = value === "" || value === "0" ? "none" : value.replaceAll('"', "");
      assert.equal(values[at]!.replaceAll(/[, ]/g, ""), plain, `${what}: ${key}`);
    }
  }
});

test("every limit of the configuration is in the table", () => {
  const limits = [...defaults.keys()].filter((key) => /^(listeners\[\]\.)?limits\.[a-zA-Z]+$/.test(key));
  const named = new Set(rows.flatMap(({ keys }) => keys.map((key) => key.replaceAll("`", ""))));
  assert.ok(limits.length > 15, `${limits.length} limits`);
  assert.deepEqual(
    limits.filter((key) => !named.has(key)),
    [],
  );
});
