/**
 * Invariant: whatever JSON a peer says in a control message, a hello, a welcome or a preamble, in either role, it is
 * understood or refused with a short `PolarityError` of the link; nothing fails that nobody expected, and nothing of a value
 * is shown that is deep, long or secret.
 *
 * `npm test` runs this on its own Node.js, and on Node.js 24 where that is installed: their parsers overflow at other depths.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { test } from "node:test";

import { isErrorCode, PolarityError } from "../../src/base/errors.ts";
import { internalErrorCounts } from "../../src/base/internal-error.ts";
import { parseControlMessage } from "../../src/link/control-messages.ts";
import { JoinedLink } from "../../src/link/joined-link.ts";
import { parsePreamble, PreambleReader } from "../../src/link/preamble.ts";
import { encodeHeader, FLAG_SYN, TYPE_DATA } from "../../src/mux/frame.ts";
import { CONTROL_MESSAGES, controlLine, hostileLines, line, PREAMBLE } from "../support/hostile-json.ts";
import { LinkNode } from "../support/link-node.ts";
import { NODE_24, withoutNode24 } from "../support/node-versions.ts";
import { SocketlessTransport } from "../support/socketless-transport.ts";

const MESSAGE_LENGTH_MAX = 600;
const EXPECTED = new Set(["LINK_PROTOCOL", "LINK_LIMIT", "PREAMBLE_INVALID", "AUTH_FAILED", "LINK_LOST"]);

function assertShort(error: unknown, what: string): asserts error is PolarityError {
  assert.ok(error instanceof PolarityError, `${what}: ${String(error)}`);
  assert.ok(EXPECTED.has(error.code), `${what}: ${error.code}`);
  assert.ok(error.message.length <= MESSAGE_LENGTH_MAX, `${what}: a message of ${error.message.length} characters`);
  assert.ok(!error.message.includes("secret"), what);
}

for (const [type, fields] of Object.entries(CONTROL_MESSAGES)) {
  test(`a ${type} with anything in it is read or refused`, () => {
    for (const { what, text } of hostileLines({ type: `"${type}"`, ...fields })) {
      try {
        const message = parseControlMessage(text);
        assert.ok(message === undefined || message.type === type, what);
        assert.equal(Object.getPrototypeOf(message ?? {}), Object.prototype, what);
      } catch (error) {
        assertShort(error, what);
      }
    }
  });
}

test("a preamble with anything in it is read or refused, as is one that was seen before", () => {
  const reader = new PreambleReader();
  for (const { what, text } of hostileLines(PREAMBLE)) {
    const bytes = Buffer.from(text);
    for (const read of [
      () => parsePreamble(text),
      () => reader.read(bytes, 0, bytes.length - 1),
      () => reader.read(bytes, 0, bytes.length - 1),
    ]) {
      try {
        assert.ok(read().service.isWellFormed(), what);
      } catch (error) {
        assertShort(error, what);
      }
    }
  }
});

// ── the same through a whole link, in both roles ──

type Role = "acceptor" | "dialler";

/** What a node makes of a peer that says `lines` on the control stream, and then `stream` on one of its own. */
function play(role: Role, lines: readonly string[], stream = ""): { readonly node: LinkNode; readonly end: unknown } {
  const node = new LinkNode("here", { accept: (_preamble, accepted) => accepted.end() });
  const transport = new SocketlessTransport();
  let end: unknown;
  const side =
    role === "acceptor"
      ? ({
          kind: "acceptor",
          authenticate: ({ token }: { token: string | undefined }) => token ?? "anonymous",
        } as const)
      : ({ kind: "dialler", token: "secret", cost: 0 } as const);
  const owner = { joined: () => {}, replace: () => {}, closed: (_link: unknown, error: unknown) => (end = error) };
  const link = new JoinedLink(transport, side, node.context, owner, 60_000);
  link.start();
  const say = (flags: number, id: number, text: string): void => {
    transport.handler?.received(encodeHeader(TYPE_DATA, flags, id, Buffer.byteLength(text)));
    transport.handler?.received(Buffer.from(text));
  };
  for (const [at, text] of lines.entries()) say(at === 0 && role === "acceptor" ? FLAG_SYN : 0, 1, text);
  if (stream !== "") say(FLAG_SYN, role === "acceptor" ? 3 : 2, stream);
  transport.destroy();
  return { node, end };
}

const FIRST: Readonly<Record<Role, string>> = { acceptor: "hello", dialler: "welcome" };

for (const role of ["acceptor", "dialler"] as const) {
  test(`a node that is the ${role} outlives every first line`, () => {
    const before = internalErrorCounts();
    for (const type of [FIRST[role], "reject", "error"]) {
      for (const { what, text } of hostileLines({ type: `"${type}"`, ...CONTROL_MESSAGES[type] })) {
        const { end } = play(role, [text]);
        assert.ok(end instanceof PolarityError && end.code !== "INTERNAL", `${type}: ${what}: ${String(end)}`);
      }
    }
    assert.deepEqual(internalErrorCounts(), before);
  });

  test(`a node that is the ${role} outlives every later line, and every preamble`, () => {
    const before = internalErrorCounts();
    const first = controlLine(FIRST[role]);
    for (const [type, fields] of Object.entries(CONTROL_MESSAGES)) {
      for (const { what, text } of hostileLines({ type: `"${type}"`, ...fields })) {
        const { node, end } = play(role, [first, text]);
        assert.equal(node.heard[0], "joined peer", what);
        assert.ok(end instanceof PolarityError && isErrorCode(end.code), `${type}: ${what}: ${String(end)}`);
        assert.notEqual(end.code, "INTERNAL", `${type}: ${what}`);
      }
    }
    for (const { what, text } of hostileLines(PREAMBLE)) {
      const { end } = play(role, [first], text);
      assert.ok(end instanceof PolarityError && end.code === "LINK_LOST", `${what}: ${String(end)}`);
    }
    assert.deepEqual(internalErrorCounts(), before);
  });
}

test("what is in order is understood, so that the lines above are refused for what is hostile in them", () => {
  for (const type of Object.keys(CONTROL_MESSAGES)) assert.equal(parseControlMessage(controlLine(type))?.type, type);
  assert.equal(parsePreamble(line(PREAMBLE)).service, "web");
});

const inner = process.env["POLARITY_TEST_INNER"] === "1";

test("all of this holds on Node.js 24 too", { skip: inner || withoutNode24, timeout: 100_000 }, () => {
  const { NODE_OPTIONS: _, NODE_TEST_CONTEXT: __, ...rest } = process.env;
  const environment = { ...rest, POLARITY_TEST_INNER: "1" };
  const file = fileURLToPath(import.meta.url);
  const { status, stdout, stderr } = spawnSync(NODE_24, ["--test", "--test-reporter=tap", file], {
    env: environment,
    encoding: "utf8",
  });
  assert.equal(status, 0, `${stdout}\n${stderr}`);
  assert.match(stdout, /^# pass [1-9]\d+$/m);
});
