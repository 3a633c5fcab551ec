import assert from "node:assert/strict";
import { test } from "node:test";

import { encodeHeader, FLAG_ACK, FLAG_SYN, goAwayMeaning, TYPE_DATA, TYPE_GO_AWAY, TYPE_PING } from "./frame.ts";
import { FrameReader } from "./frame-reader.ts";

const HEADERS = [
  [TYPE_DATA, FLAG_SYN, 1, 5, "000000010000000100000005"],
  [TYPE_PING, FLAG_ACK, 0, 0xffff_ffff, "0002000200000000ffffffff"],
  [TYPE_GO_AWAY, 0, 0, 2, "000300000000000000000002"],
  [TYPE_DATA, 0, 0xffff_fffe, 0x8000_0001, "00000000fffffffe80000001"],
] as const;

test("a header is twelve bytes, big-endian, and reads back", () => {
  const reader = new FrameReader();
  for (const [type, flags, streamId, length, hex] of HEADERS) {
    const header = encodeHeader(type, flags, streamId, length);
    assert.equal(header.toString("hex"), hex);
    reader.feed(header);
    assert.equal(reader.nextHeader(), true);
    assert.deepEqual([reader.type, reader.flags, reader.streamId, reader.length], [type, flags, streamId, length]);
    assert.equal(reader.nextHeader(), false);
  }
});

test("frames read the same wherever chunks end, and payloads are slices, not copies", () => {
  const bytes = Buffer.from("000000010000000100000005" + "68656c6c6f" + "000200010000000000000007", "hex");
  for (let size = 1; size <= bytes.length; size++) {
    const reader = new FrameReader();
    const seen: string[] = [];
    let payload = "";
    for (let at = 0; at < bytes.length; at += size) {
      const chunk = bytes.subarray(at, at + size);
      reader.feed(chunk);
      for (;;) {
        if (reader.payloadLeft > 0) {
          const slice = reader.nextPayload();
          if (slice === undefined) break;
          assert.equal(slice.buffer, bytes.buffer);
          payload += slice.toString();
        } else if (reader.nextHeader()) {
          seen.push(`${reader.type} ${reader.length}`);
          if (reader.type === TYPE_DATA) reader.payloadLeft = reader.length;
        } else {
          break;
        }
      }
      reader.release();
    }
    assert.deepEqual([seen, payload], [["0 5", "2 7"], "hello"], `chunks of ${size}`);
  }
});

test("GoAway codes have names, unknown ones too", () => {
  assert.deepEqual([0, 1, 2, 7].map(goAwayMeaning), ["normal end", "protocol error", "internal error", "code 7"]);
});
