import assert from "node:assert/strict";
import { test } from "node:test";

import { DenseSet } from "./dense-set.ts";

interface Named {
  denseIndex: number;
  readonly name: string;
}

const named = (name: string): Named => ({ denseIndex: -1, name });

function names(set: DenseSet<Named>): string[] {
  const found: string[] = [];
  set.forEach(({ name }) => found.push(name));
  return found.sort();
}

test("members come and go in any order, and a second delete does nothing", () => {
  const set = new DenseSet<Named>();
  const [a, b, c] = [named("a"), named("b"), named("c")];
  for (const member of [a, b, c]) set.add(member);
  set.delete(a);
  set.delete(a);
  assert.deepEqual(names(set), ["b", "c"]);
  set.delete(c);
  set.add(a);
  assert.deepEqual(names(set), ["a", "b"]);
  assert.equal(set.size, 2);
});

test("a visit may delete the member that it is given, and every other is still visited once", () => {
  const set = new DenseSet<Named>();
  for (const name of ["a", "b", "c", "d", "e"]) set.add(named(name));
  const visited: string[] = [];
  set.forEach((member) => {
    visited.push(member.name);
    if (member.name !== "c") set.delete(member);
  });
  assert.deepEqual(visited.sort(), ["a", "b", "c", "d", "e"]);
  assert.deepEqual(names(set), ["c"]);
});
