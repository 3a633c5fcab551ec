/** Recorded conversations: the same statistics whole, byte by byte and cut anywhere; and any bytes at all do no harm. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { analyzeTurns, everyCut, type Turn } from "../../test/support/tapped-turns.ts";
import { BUILT_IN } from "./built-in.ts";
import type { Statistics } from "./meters.ts";

const frame = (type: string, text = ""): Buffer => {
  const body = Buffer.from(text, "latin1");
  const head = Buffer.alloc(5);
  head.write(type, "latin1");
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
};
const startup = (code: number, text = ""): Buffer => {
  const body = Buffer.from(text, "latin1");
  const head = Buffer.alloc(8);
  head.writeInt32BE(body.length + 8);
  head.writeInt32BE(code, 4);
  return Buffer.concat([head, body]);
};
const text = (side: ">" | "<", value: string): Turn => [side, Buffer.from(value, "latin1")];
const all = (side: ">" | "<", ...frames: readonly Buffer[]): Turn => [side, Buffer.concat(frames)];

const CONVERSATIONS: readonly {
  readonly analyzer: string;
  readonly what: string;
  readonly turns: readonly Turn[];
  readonly finds: Statistics;
  /** The name of durations, and how many there are. */
  readonly timed?: readonly [string, number];
}[] = [
  {
    analyzer: "http",
    what: "requests and answers of every kind of body",
    turns: [
      text(">", "GET /a HTTP/1.1\r\nHost: a\r\n\r\n"),
      text("<", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
      text(
        ">",
        "POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nHEAD /c HTTP/1.1\r\nHost: a\r\n\r\nBREW / HTTP/1.1\r\nHost: a\r\n\r\n",
      ),
      text(
        "<",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\nHTTP/1.1 500 Oh\r\n\r\nuntil the end HTTP/1.1 200 OK\r\n\r\n",
      ),
    ],
    finds: {
      requests_total: 4,
      method_GET_total: 1,
      method_POST_total: 1,
      method_HEAD_total: 1,
      method_other_total: 1,
      requests_pipelined_total: 2,
      responses_total: 4,
      status_2xx_total: 1,
      status_3xx_total: 1,
      status_4xx_total: 1,
      status_5xx_total: 1,
      connections_reused_total: 1,
    },
  },
  {
    analyzer: "http",
    what: "an upgrade to websocket",
    turns: [
      text(">", "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
      text(
        "<",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nGET is no request here",
      ),
      text(">", "\x81\x05hello"),
    ],
    finds: { requests_total: 1, method_GET_total: 1, responses_total: 1, status_1xx_total: 1, tunnels_total: 1 },
  },
  {
    analyzer: "http",
    what: "HTTP/2",
    turns: [text(">", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), text("<", "\0\0\0\x04\0\0\0\0\0")],
    finds: { connections_unreadable_total: 1 },
  },
  {
    analyzer: "redis",
    what: "commands in pipelines, nested values, a push",
    turns: [
      text(">", "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*3\r\n$3\r\nset\r\n$1\r\nk\r\n$7\r\n*1\r\n$1\r\n\r\nPING\r\n"),
      text("<", "$-1\r\n+OK\r\n+PONG\r\n"),
      text(">", "*1\r\n$4\r\nNOPE\r\n*2\r\n$4\r\nKEYS\r\n$1\r\n*\r\n"),
      text("<", "-ERR unknown command\r\n>2\r\n+message\r\n$1\r\nx\r\n*2\r\n$2\r\nab\r\n%1\r\n+a\r\n*0\r\n"),
    ],
    finds: {
      commands_total: 5,
      command_GET_total: 1,
      command_SET_total: 1,
      command_PING_total: 1,
      command_NOPE_total: 1,
      command_KEYS_total: 1,
      commands_pipelined_total: 3,
      errors_total: 1,
      error_ERR_total: 1,
      pushes_total: 1,
    },
    timed: ["answer_ms", 5],
  },
  {
    analyzer: "redis",
    what: "a transaction with an error inside",
    turns: [
      text(">", "MULTI\r\nINCR a\r\nLPOP a\r\nEXEC\r\n"),
      text("<", "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n-WRONGTYPE no list\r\n"),
      text(">", "exec\r\n\r\n  get   a \r\n"),
      text("<", "-ERR EXEC without MULTI\r\n!21\r\nSYNTAX invalid syntax\r\n"),
    ],
    finds: {
      commands_total: 6,
      command_MULTI_total: 1,
      command_INCR_total: 1,
      command_LPOP_total: 1,
      command_EXEC_total: 2,
      command_GET_total: 1,
      commands_pipelined_total: 4,
      errors_total: 3,
      error_WRONGTYPE_total: 1,
      error_ERR_total: 1,
      error_SYNTAX_total: 1,
    },
    timed: ["answer_ms", 6],
  },
  {
    analyzer: "redis",
    what: "a subscriber of RESP3",
    turns: [
      text(">", "*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n"),
      text("<", "%1\r\n$5\r\nproto\r\n:3\r\n"),
      text(">", "*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n*1\r\n$4\r\nPING\r\n"),
      text("<", ">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n+PONG\r\n|1\r\n+ttl\r\n:1\r\n>2\r\n$7\r\nmessage\r\n_\r\n"),
    ],
    finds: {
      commands_total: 3,
      command_HELLO_total: 1,
      command_SUBSCRIBE_total: 1,
      command_PING_total: 1,
      pushes_total: 1,
    },
    timed: ["answer_ms", 2],
  },
  {
    // What a subscriber gets looks like answers: nothing is timed from then on.
    analyzer: "redis",
    what: "a subscriber of RESP2",
    turns: [
      text(">", "PING\r\nSUBSCRIBE a b\r\n"),
      text("<", "+PONG\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n"),
      text(
        "<",
        "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$1\r\na\r\n$0\r\n\r\n",
      ),
    ],
    finds: { commands_total: 2, command_PING_total: 1, command_SUBSCRIBE_total: 1, pushes_total: 2 },
  },
  {
    analyzer: "redis",
    what: "answers switched off",
    turns: [
      text(">", "PING\r\n"),
      text("<", "+PONG\r\n"),
      text(">", "CLIENT REPLY OFF\r\nSET a b\r\nCLIENT REPLY ON\r\n"),
      text("<", "+OK\r\n"),
    ],
    finds: { commands_total: 4, command_PING_total: 1, command_CLIENT_total: 2, command_SET_total: 1 },
    timed: ["answer_ms", 1],
  },
  {
    analyzer: "redis",
    what: "a replica",
    turns: [text(">", "PSYNC ? -1\r\n"), text("<", "+FULLRESYNC 0 1\r\n$4\r\nRDB!*1\r\n-ERR\r\n")],
    finds: { commands_total: 1, command_PSYNC_total: 1, connections_replicating_total: 1 },
  },
  {
    analyzer: "redis",
    what: "a handshake of TLS",
    turns: [text(">", "\x16\x03\x01\x00\n\x01GET\n"), text("<", "\x16\x03\x03\n")],
    finds: { connections_unreadable_total: 1 },
  },
  {
    analyzer: "postgres",
    what: "simple, extended and pipelined queries",
    turns: [
      all(">", startup(80_877_103)),
      text("<", "N"),
      all(">", startup(196_608, "user\0me\0\0")),
      all("<", frame("R", "\0\0\0\0"), frame("S", "a\0b\0"), frame("Z", "I")),
      all(">", frame("Q", "select 1; select 2\0")),
      all("<", frame("T", "xx"), frame("D", "yy"), frame("C", "SELECT 1\0"), frame("C", "SELECT 1\0"), frame("Z", "I")),
      all(">", frame("P"), frame("B"), frame("E"), frame("B"), frame("E"), frame("S"), frame("Q", "oops\0")),
      all(
        "<",
        frame("1"),
        frame("2"),
        frame("C", "SELECT 1\0"),
        frame("2"),
        frame("E", "SERROR\0"),
        frame("Z", "I"),
        frame("E", "x"),
        frame("Z", "I"),
      ),
    ],
    finds: { queries_total: 4, queries_pipelined_total: 2, errors_total: 2 },
    timed: ["query_ms", 4],
  },
  {
    // By an Execute, of which the first Sync is passed over; by one that comes all at once; and by a Query.
    analyzer: "postgres",
    what: "copies",
    turns: [
      all(">", startup(196_608, "user\0me\0\0")),
      all("<", frame("R", "\0\0\0\0"), frame("Z", "I")),
      all(">", frame("P"), frame("B"), frame("E"), frame("S")),
      all("<", frame("1"), frame("2"), frame("G", "\0\0\0")),
      all(">", frame("d", "1\n"), frame("c"), frame("S")),
      all("<", frame("C", "COPY 1\0"), frame("Z", "I")),
      all(">", frame("P"), frame("B"), frame("E"), frame("d", "1\n"), frame("c"), frame("S")),
      all("<", frame("1"), frame("2"), frame("G", "\0\0\0"), frame("C", "COPY 1\0"), frame("Z", "I")),
      all(">", frame("Q", "copy t from stdin\0")),
      all("<", frame("G", "\0\0\0")),
      all(">", frame("d", "x\n"), frame("f", "no more\0")),
      all("<", frame("E", "x"), frame("Z", "I")),
      all(">", frame("Q", "copy t to stdout\0")),
      all("<", frame("H", "\0\0\0"), frame("d", "1\n"), frame("c"), frame("C", "COPY 1\0"), frame("Z", "I")),
      all(">", frame("F", "call"), frame("Q", "select 1\0")),
      all("<", frame("V", "result"), frame("Z", "I"), frame("C", "SELECT 1\0"), frame("Z", "I")),
    ],
    finds: { queries_total: 5, queries_pipelined_total: 1, errors_total: 1, copies_in_total: 3, copies_out_total: 1 },
    timed: ["query_ms", 5],
  },
  {
    analyzer: "postgres",
    what: "a query before the server is ready",
    turns: [
      all(">", startup(196_608, "user\0me\0\0"), frame("Q", "select 1\0")),
      all("<", frame("R", "\0\0\0\0"), frame("Z", "I")),
      all("<", frame("C", "SELECT 1\0"), frame("Z", "I")),
    ],
    finds: { queries_total: 1 },
    timed: ["query_ms", 1],
  },
  {
    analyzer: "postgres",
    what: "a wish to cancel",
    turns: [all(">", startup(80_877_102, "\0\0\0\x01\0\0\0\x02"))],
    finds: {},
  },
  {
    analyzer: "postgres",
    what: "a connection that turns to TLS",
    turns: [all(">", startup(80_877_103)), text("<", "S"), text(">", "\x16\x03\x01 hello"), text("<", "\x16\x03\x03")],
    finds: { connections_encrypted_total: 1 },
  },
  {
    analyzer: "foo",
    what: "messages in any order",
    turns: [
      text(">", "REQ 1 Hey\nREQ 2 \xc3\xa9\nx\n"),
      text("<", "NAK 2 a\nACK 1 b\nNAK 0 ERRDECODE\n"),
      text(">", "REQ 3 Hey\nREQ"),
      text("<", "ACK 3\n"),
    ],
    finds: { msg_total: 7, msg_req: 3, msg_ack: 2, msg_nak: 2, other_lines: 2 },
  },
  {
    analyzer: "bytes",
    what: "bytes",
    turns: [text(">", "abc"), text("<", "de")],
    finds: { bytes_in_total: 3, bytes_out_total: 2, connections_total: 1 },
  },
];

for (const { analyzer, what, turns, finds, timed } of CONVERSATIONS) {
  test(`${analyzer}: ${what}: the same statistics whole and cut anywhere`, () => {
    const whole = analyzeTurns(analyzer, turns);
    for (const [key, value] of Object.entries(finds)) assert.equal(whole[key], value, key);
    const unexpected = Object.keys(whole).filter((key) => key.endsWith("_total") && !(key in finds));
    assert.deepEqual(unexpected, []);
    if (timed !== undefined) assert.equal((whole[timed[0]] as { count: number }).count, timed[1]);
    for (const cut of everyCut(turns)) assert.deepEqual(analyzeTurns(analyzer, cut), whole);
  });
}

test("answers take as long as they take, pipelined ones too", () => {
  for (const [analyzer, durations, count] of [
    ["http", "response_ms", 4],
    ["redis", "answer_ms", 5],
    ["postgres", "query_ms", 4],
    ["foo", "answer_ms", 3],
  ] as const) {
    const { turns } = CONVERSATIONS.find(
      (conversation) =>
        conversation.analyzer === analyzer &&
        conversation.turns.length > 3 &&
        conversation.finds["connections_encrypted_total"] === undefined,
    )!;
    const found = analyzeTurns(analyzer, turns)[durations] as { count: number; p50: number };
    assert.equal(found.count, count, analyzer);
    assert.ok(found.p50 >= 10 && found.p50 <= 11.25, `${analyzer}: ${found.p50}`);
  }
});

for (const analyzer of BUILT_IN.keys()) {
  test(`${analyzer}: any bytes at all, cut anywhere, make no failure`, () => {
    const parts = CONVERSATIONS.filter((conversation) => conversation.analyzer === analyzer).flatMap(
      ({ turns }) => turns,
    );
    const turn = fc.oneof(
      fc.constantFrom(...parts),
      fc.tuple(fc.constantFrom(...parts), fc.nat(), fc.nat(255)).map(([[side, bytes], at, byte]): Turn => {
        const changed = Buffer.from(bytes);
        changed[at % changed.length] = byte;
        return [side, changed];
      }),
      fc
        .tuple(fc.constantFrom<">" | "<">(">", "<"), fc.uint8Array({ maxLength: 40 }))
        .map(([side, bytes]): Turn => [side, Buffer.from(bytes)]),
    );
    fc.assert(
      fc.property(fc.array(turn, { maxLength: 8 }), (turns) => void analyzeTurns(analyzer, turns)),
      { numRuns: 300 },
    );
  });
}
