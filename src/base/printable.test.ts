import assert from "node:assert/strict";
import { test } from "node:test";
import { printable } from "./printable.ts";

const texts: readonly (readonly [text: string, shown: string])[] = [
  ["", ""],
  ['no offer for service "café" 🚀 日本', 'no offer for service "café" 🚀 日本'],
  ["\u001b[2J\u001b]0;title\u0007", "\\x1b[2J\\x1b]0;title\\x07"],
  ["\u009b31mred", "\\x9b31mred"],
  ["a\r\nlevel: error", "a\\x0d\\x0alevel: error"],
  ["a\u2028b", "a\\u2028b"],
  ["evil\u202etxt.exe", "evil\\u202etxt.exe"],
  ["z\u200bero", "z\\u200bero"],
];

for (const [text, shown] of texts)
  test(`${JSON.stringify(text)} is shown as ${shown}`, () => assert.equal(printable(text), shown));
