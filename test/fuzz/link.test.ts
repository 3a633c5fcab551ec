/**
 * Invariant: whatever bytes a stranger sends, nothing is thrown, and the link ends at most once, with a `PolarityError`;
 * a link that never had a proper hello is never heard of.
 */
import assert from "node:assert/strict";
import { test } from "node:test";

import fc from "fast-check";

import { PolarityError } from "../../src/base/errors.ts";
import { JoinedLink } from "../../src/link/joined-link.ts";
import { encodeHeader, FLAG_FIN, FLAG_RST, FLAG_SYN, TYPE_DATA } from "../../src/mux/frame.ts";
import { LinkNode } from "../support/link-node.ts";
import { SocketlessTransport } from "../support/socketless-transport.ts";

const frame = (flags: number, streamId: number, payload: string): Buffer =>
  Buffer.concat([encodeHeader(TYPE_DATA, flags, streamId, Buffer.byteLength(payload)), Buffer.from(payload)]);

const HELLO = frame(FLAG_SYN, 1, '{"type":"hello","protocol":1,"node":"fuzz","instance":"1"}\n');
const LINES = [
  '{"type":"offer","service":"web","protocol":"tcp"}\n',
  '{"type":"offer","service":"web","protocol":"tcp","health":"down"}\n',
  '{"type":"withdraw","service":"web"}\n',
  '{"type":"drain"}\n',
  '{"type":"error","code":"NO_OFFER","message":"x","stream":2}\n',
  '{"type":"error","code":"toString","message":"x"}\n',
  '{"type":"welcome","node":"a","instance":"b"}\n',
  '{"type":"unknown"}\n',
  "[]\n",
  "\n",
  '{"type":',
];
const PREAMBLES = ['{"service":"web","protocol":"tcp"}\nhello', '{"service":"web"', "nonsense\n", "", "\n\n"];

const step = fc.oneof(
  fc.constantFrom(...LINES).map((line) => frame(0, 1, line)),
  fc
    .tuple(
      fc.constantFrom(...PREAMBLES),
      fc.constantFrom(3, 5, 7, 9),
      fc.constantFrom(FLAG_SYN, FLAG_SYN | FLAG_FIN, 0, FLAG_RST),
    )
    .map(([preamble, id, flags]) => frame(flags, id, preamble)),
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
);

test("a peer that joined may send anything in any order", { timeout: 60_000 }, () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), fc.integer({ min: 1, max: 64 }), (steps, pieceBytes) => {
      const { node } = feed(Buffer.concat([HELLO, ...steps]), pieceBytes);
      assert.ok(node.ends.length <= 1);
      assert.ok(node.ends.every((error) => error instanceof PolarityError));
      assert.equal(node.heard[0], "joined fuzz");
    }),
    { numRuns: 1_000 },
  );
});

test(
  "a stranger's bytes never make a link, and end the connection with an error that has a code",
  { timeout: 60_000 },
  () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), fc.boolean(), (bytes, opens) => {
        const garbage = Buffer.from(bytes);
        const { node, ends } = feed(
          opens ? Buffer.concat([encodeHeader(TYPE_DATA, FLAG_SYN, 1, 200), garbage]) : garbage,
          7,
        );
        assert.deepEqual(node.heard, []);
        assert.equal(ends.length, 1);
      }),
      { numRuns: 1_000 },
    );
  },
);

/** Gives an accepted link `bytes` in pieces, and ends it. */
function feed(bytes: Buffer, pieceBytes: number): { node: LinkNode; ends: PolarityError[] } {
  const node = new LinkNode("router");
  const transport = new SocketlessTransport();
  const ends: PolarityError[] = [];
  const owner = {
    joined: () => {},
    replace: (link: { drain(): void }) => link.drain(),
    closed: (_link: unknown, error: PolarityError) => ends.push(error),
  };
  const side = { kind: "acceptor", authenticate: () => "anonymous" } as const;
  new JoinedLink(transport, side, node.context, owner, 10_000).start();
  for (let start = 0; start < bytes.length; start += pieceBytes) {
    transport.handler?.received(bytes.subarray(start, start + pieceBytes));
  }
  transport.destroy();
  return { node, ends };
}
