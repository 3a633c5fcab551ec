import assert from "node:assert/strict";
import { test } from "node:test";

import { Random } from "../../test/support/random.ts";
import type { MuxStream } from "./mux-stream.ts";
import { StreamTable } from "./stream-table.ts";

/** As much of a stream as a table looks at. */
function streamOf(id: number): MuxStream {
  return { id, nextInBucket: undefined } as MuxStream;
}

test("a table holds what a map would, through growth, shrinking and ids up to the last", () => {
  const random = new Random(7);
  const table = new StreamTable();
  const model = new Map<number, MuxStream>();
  for (let round = 0; round < 20_000; round++) {
    const wanted = round < 10_000 ? 1_500 : 5;
    const id = random.oneIn(20) ? 0xffff_fffe - random.below(64) : random.below(4_000);
    const known = model.get(id);
    assert.equal(table.get(id), known);
    if (known === undefined && (model.size < wanted || random.oneIn(3))) {
      const stream = streamOf(id);
      table.add(stream);
      model.set(id, stream);
    } else if (known !== undefined) {
      table.delete(known);
      table.delete(known);
      model.delete(id);
      assert.equal(known.nextInBucket, undefined, "a stream that is over keeps no other alive");
    }
    if (random.oneIn(50)) table.shrink();
    assert.equal(table.size, model.size);
  }
  assert.deepEqual(new Set(table.all()), new Set(model.values()));
});
