import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "../../test/support/random.ts";
import { type Associated, AssociationTable } from "./association-table.ts";

interface Entry extends Associated {
  lastAt: number;
  readonly id: number;
}

const entry = (host: string, port: number, lastAt = 0, idleMs = 60_000, id = 0): Entry => ({
  host,
  port,
  lastAt,
  idleMs,
  id,
});

const UNLIMITED = { associationsMax: 1_000_000, associationsPerClientMax: 0 };

const swept = (table: AssociationTable<Entry>, now: number, quietMs = Number.POSITIVE_INFINITY): number[] => {
  const ids: number[] = [];
  table.sweep(now, quietMs, ({ id }) => ids.push(id));
  return ids;
};

test("an association is found by its client's address and port, and by nothing else", () => {
  const table = new AssociationTable<Entry>();
  const one = entry("192.0.2.1", 1000);
  table.add(one);
  assert.equal(table.find("192.0.2.1", 1000), one);
  assert.equal(table.find("192.0.2.1", 1001), undefined);
  assert.equal(table.find("192.0.2.2", 1000), undefined);
  table.remove(one);
  assert.equal(table.find("192.0.2.1", 1000), undefined);
  assert.equal(table.size, 0);
});

test("an association that is over does not take its successor with it", () => {
  const table = new AssociationTable<Entry>();
  const [old, young] = [entry("192.0.2.1", 1), entry("192.0.2.1", 1)];
  table.add(old);
  table.remove(old);
  table.add(young);
  table.remove(old);
  assert.equal(table.find("192.0.2.1", 1), young);
  assert.equal(table.size, 1);
});

test("what has passed nothing for its time is taken out, to the millisecond, and nothing else", () => {
  const table = new AssociationTable<Entry>();
  const busy = entry("192.0.2.1", 1, 0, 60_000, 1);
  table.add(busy);
  table.add(entry("192.0.2.1", 2, 0, 60_000, 2));
  table.add(entry("192.0.2.2", 3, 0, 30_000, 3));
  assert.deepEqual(swept(table, 29_999), []);
  assert.deepEqual(swept(table, 30_000), [3]);
  busy.lastAt = 59_000;
  assert.deepEqual(swept(table, 60_000), [2]);
  assert.deepEqual(swept(table, 118_999), []);
  assert.deepEqual(swept(table, 119_000), [1]);
  assert.equal(table.size, 0);
});

test("while a listener drains, less silence is enough", () => {
  const table = new AssociationTable<Entry>();
  table.add(entry("192.0.2.1", 1, 0, 60_000, 1));
  table.add(entry("192.0.2.1", 2, 900, 60_000, 2));
  assert.deepEqual(swept(table, 1000, 1000), [1]);
});

test("no more begin than there may be, of all and of each client, and each that ends makes room", () => {
  const table = new AssociationTable<Entry>();
  const limits = { associationsMax: 3, associationsPerClientMax: 2 };
  const first = entry("192.0.2.1", 1);
  table.add(first);
  table.add(entry("192.0.2.1", 2));
  assert.equal(table.refusal("192.0.2.1", limits), "client-associations");
  assert.equal(table.refusal("192.0.2.2", limits), undefined);
  table.add(entry("192.0.2.2", 1));
  assert.equal(table.refusal("192.0.2.3", limits), "associations");
  table.remove(first);
  assert.equal(table.refusal("192.0.2.1", limits), undefined);
  assert.equal(table.refusal("192.0.2.1", UNLIMITED), undefined);
});

test("a network of IPv6 is one client, and so is IPv4 however it is written", () => {
  const table = new AssociationTable<Entry>();
  const limits = { associationsMax: 10, associationsPerClientMax: 1 };
  table.add(entry("2001:db8::1", 1));
  table.add(entry("::ffff:192.0.2.1", 1));
  assert.equal(table.refusal("2001:db8::ffff:2", limits), "client-associations");
  assert.equal(table.refusal("2001:db8:0:1::1", limits), undefined);
  assert.equal(table.refusal("::ffff:192.0.2.1", limits), "client-associations");
});

test("after any number of beginnings and ends, counts are right", () => {
  const random = new Random(5);
  const table = new AssociationTable<Entry>();
  const present = new Map<string, Entry>();
  for (let step = 0; step < 20_000; step++) {
    const [host, port] = [`192.0.2.${random.below(5)}`, random.below(40)];
    const key = `${host}:${port}`;
    const known = present.get(key);
    assert.equal(table.find(host, port), known);
    if (known === undefined) {
      const made = entry(host, port, step, 50 + random.below(100));
      table.add(made);
      present.set(key, made);
    } else if (random.oneIn(2)) {
      table.remove(known);
      present.delete(key);
    } else known.lastAt = step;
    if (random.oneIn(20)) {
      table.sweep(step, Number.POSITIVE_INFINITY, (gone) => {
        assert.ok(step - gone.lastAt >= gone.idleMs);
        present.delete(`${gone.host}:${gone.port}`);
      });
      for (const { lastAt, idleMs } of present.values()) assert.ok(step - lastAt < idleMs);
    }
    assert.equal(table.size, present.size);
  }
  for (const each of present.values()) table.remove(each);
  assert.equal(table.refusal("192.0.2.1", { associationsMax: 1, associationsPerClientMax: 1 }), undefined);
});
