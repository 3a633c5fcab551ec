import assert from "node:assert/strict";
import { test } from "node:test";
import { isNotOffered, type NaptrRecord, naptrSteps, orderSrvRecords, type SrvRecord } from "./service-records.ts";
import { Random } from "../../test/support/random.ts";

const srv = (priority: number, weight: number, name: string): SrvRecord => ({ priority, weight, name, port: 1 });

/** From 0 up to 1, by a seed. */
function chance(seed: number): () => number {
  const random = new Random(seed);
  return () => random.below(2 ** 32) / 2 ** 32;
}

test("each record is there once, and no priority comes before a lower one", () => {
  const random = new Random(1);
  for (let round = 0; round < 500; round++) {
    const records = Array.from({ length: random.below(12) }, (_, index) =>
      srv(random.below(4), random.below(3) * random.below(100), `host-${index}`),
    );
    const ordered = orderSrvRecords(records, chance(round));
    assert.deepEqual(new Set(ordered), new Set(records));
    assert.equal(ordered.length, records.length);
    ordered.reduce((before, { priority }) => (assert.ok(priority >= before), priority), 0);
  }
});

test("among equals each comes first as often as its weight says, and those without weight seldom", () => {
  const records = [srv(1, 10, "a"), srv(1, 60, "b"), srv(1, 30, "c"), srv(1, 0, "zero"), srv(2, 65_535, "backup")];
  const first = new Map<string, number>();
  const second = new Map<string, number>();
  const random = chance(7);
  const rounds = 20_000;
  for (let round = 0; round < rounds; round++) {
    const [one, two] = orderSrvRecords(records, random);
    first.set(one!.name, (first.get(one!.name) ?? 0) + 1);
    if (one!.name === "b") second.set(two!.name, (second.get(two!.name) ?? 0) + 1);
  }
  const share = (name: string): number => (first.get(name) ?? 0) / rounds;
  for (const [name, expected] of [
    ["a", 0.1],
    ["b", 0.6],
    ["c", 0.3],
    ["zero", 1 / 101],
  ] as const) {
    assert.ok(Math.abs(share(name) - expected) < 0.02, `${name}: ${share(name)}`);
  }
  assert.equal(share("backup"), 0);
  // Behind b, which is out, c comes three times as often as a.
  const ratio = second.get("c")! / second.get("a")!;
  assert.ok(ratio > 2.5 && ratio < 3.6, `${ratio}`);
});

test("the least and the greatest chance are drawn within bounds", () => {
  const records = [srv(0, 0, "a"), srv(0, 0, "b"), srv(0, 5, "c")];
  for (const random of [() => 0, () => 1 - 2 ** -53]) assert.equal(orderSrvRecords(records, random).length, 3);
  assert.equal(orderSrvRecords(records, () => 0)[0]!.name, "a");
  assert.equal(orderSrvRecords(records, () => 1 - 2 ** -53)[0]!.name, "c");
});

test("one record with the root for a target says that the service is not offered", () => {
  assert.ok(isNotOffered([srv(0, 0, ".")]));
  assert.ok(isNotOffered([srv(0, 0, "")]));
  assert.ok(!isNotOffered([srv(0, 0, "a")]));
  assert.ok(!isNotOffered([]));
});

test("NAPTR records are followed by order and preference, for the service that is asked for", () => {
  const naptr = (order: number, preference: number, flags: string, service: string, replacement: string) =>
    ({ order, preference, flags, service, regexp: "", replacement }) satisfies NaptrRecord;
  const records = [
    naptr(20, 10, "a", "bus:tcp", "late.test"),
    naptr(10, 20, "S", "BUS:tcp", "_bus._tcp.test"),
    naptr(10, 10, "", "bus", "other.test"),
    naptr(5, 1, "u", "bus", "rewritten.test"),
    naptr(5, 1, "s", "mail:smtp", "_mail._tcp.test"),
    { ...naptr(1, 1, "s", "bus", "never.test"), regexp: "!^.*$!x!" },
    naptr(1, 1, "a", "bus", "."),
  ];
  assert.deepEqual(naptrSteps(records, "bus"), [
    { kind: "naptr", name: "other.test" },
    { kind: "srv", name: "_bus._tcp.test" },
    { kind: "host", name: "late.test" },
  ]);
  assert.deepEqual(
    naptrSteps(records, "bus:tcp").map(({ name }) => name),
    ["_bus._tcp.test", "late.test"],
  );
  assert.equal(naptrSteps(records, "")[0]!.name, "_mail._tcp.test");
  assert.deepEqual(naptrSteps(records, "web"), []);
});
