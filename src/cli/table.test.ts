import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesText, secondsText, table } from "./table.ts";

test("columns are as wide as their widest cell, and numbers stand to the right", () => {
  const text = table(
    ["NAME", "COUNT", "UP"],
    [
      ["web", 7, true],
      ["a-long-name", 1200, false],
      ["ü", null, true],
    ],
  );
  assert.equal(
    text,
    ["NAME         COUNT  UP", "web              7  yes", "a-long-name   1200  no", "ü                -  yes", ""].join(
      "\n",
    ),
  );
});

test("names from peers cannot steer the terminal", () => {
  assert.equal(table(["N"], [["a\u001b[31mb\nc\u009b"]]), "N\na\\x1b[31mb\\x0ac\\x9b\n");
});

test("sizes and durations are short", () => {
  assert.deepEqual([0, 1023, 1536, 150 * 1024, 3 * 1024 ** 3].map(bytesText), [
    "0 B",
    "1023 B",
    "1.5 KiB",
    "150 KiB",
    "3.0 GiB",
  ]);
  assert.deepEqual([0.4, 61, 3725, 90_000].map(secondsText), ["0s", "1m1s", "1h2m", "1d1h"]);
});
