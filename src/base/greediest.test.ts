import assert from "node:assert/strict";
import { test } from "node:test";
import { greediest, type Share, shareLevel } from "./greediest.ts";

interface Named extends Share {
  readonly name: string;
}

const share = (path: string, amount: number, stillMs = 0): Named => ({
  path: path.split("/"),
  amount,
  stillMs,
  name: `${path}:${amount}`,
});
const names = (shares: readonly Named[]): string[] => shares.map(({ name }) => name);
const sum = (shares: readonly Share[]): number => shares.reduce((total, { amount }) => total + amount, 0);

test("a level is what everybody can have at once, and small ones leave the rest to others", () => {
  assert.equal(shareLevel([10, 10, 10], 30), 10);
  assert.equal(shareLevel([10, 10, 10], 15), 5);
  assert.equal(shareLevel([1, 2, 100], 23), 20);
  assert.equal(shareLevel([1, 2], 100), Number.POSITIVE_INFINITY);
  assert.equal(shareLevel([4, 4], -1), 0);
});

test("nothing is taken where nothing is too much", () => {
  assert.deepEqual(greediest([share("a/1", 5)], 0), []);
  assert.deepEqual(greediest([], 5), []);
});

test("who has most gives way, and only down to what the others have", () => {
  const shares = [
    ...Array.from({ length: 10 }, () => share("greedy/1", 10)),
    share("modest/1", 10),
    share("other/1", 3),
  ];
  assert.deepEqual(new Set(names(greediest(shares, 90))), new Set(["greedy/1:10"]));
  assert.equal(sum(greediest(shares, 90)), 90);
  const hard = greediest(shares, 105);
  assert.ok(
    hard.some(({ path }) => path[0] === "modest"),
    "beyond that the second has to",
  );
});

test("many connections of one address count together, and the greediest connection of it goes first", () => {
  const shares = [
    ...Array.from({ length: 50 }, (_, at) => share(`crowd/${at}`, 2)),
    share("crowd/large", 60),
    share("single/1", 40),
  ];
  const taken = greediest(shares, 50);
  assert.deepEqual(names(taken), ["crowd/large:60"]);
  assert.ok(greediest(shares, 100).every(({ path }) => path[0] === "crowd"));
});

test("the largest part of a connection goes first, and no more goes than is needed", () => {
  const taken = greediest([share("a/1", 1), share("a/1", 7), share("a/1", 3)], 6);
  assert.deepEqual(names(taken), ["a/1:7"]);
});

test("of equals the one that stands still longest goes first", () => {
  const shares = [share("a/1", 4, 10), share("b/1", 4, 5_000), share("c/1", 4, 300)];
  assert.deepEqual(names(greediest(shares, 4)), ["b/1:4"]);
  assert.deepEqual(names(greediest(shares, 5)), ["b/1:4", "c/1:4"]);
});

test("a crowd of equals gives up about what is needed, and not everything", () => {
  const crowd = Array.from({ length: 2_000 }, (_, at) => share(`client ${at}/1`, 256));
  const taken = sum(greediest(crowd, 64_000));
  assert.ok(taken >= 64_000 && taken < 64_000 + 256, `${taken}`);
});

test("at random: enough is freed, nothing twice, and nobody below the level is touched", () => {
  let state = 12345;
  const random = (below: number): number => (state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff) % below;
  for (let round = 0; round < 300; round++) {
    const shares = Array.from({ length: 1 + random(60) }, () =>
      share(`${random(5)}/${random(4)}/${random(3)}`, 1 + random(100), random(9)),
    );
    const excess = 1 + random(sum(shares));
    const taken = greediest(shares, excess);
    assert.equal(new Set(taken).size, taken.length);
    assert.ok(sum(taken) >= excess, `${sum(taken)} of ${excess}`);
    const byAddress = Map.groupBy(shares, ({ path }) => path[0]!);
    const level = shareLevel([...byAddress.values()].map(sum), sum(shares) - excess);
    for (const [address, of] of byAddress) {
      if (sum(of) <= level) assert.ok(!taken.some(({ path }) => path[0] === address), "it had less than its share");
    }
  }
});
