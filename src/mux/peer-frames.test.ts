import assert from "node:assert/strict";
import { test } from "node:test";

import { PolarityError } from "../base/errors.ts";
import { frame, MuxRecorder } from "../../test/support/mux-recorder.ts";

const WINDOW = 256 * 1024;
const gone = new PolarityError("CLIENT_GONE", "the client went away");
const PROTOCOL_GOAWAY = ["GOAWAY - 0 1"];

test("hex in, events out: SYN with payload opens a stream and delivers", () => {
  const server = new MuxRecorder();
  assert.deepEqual(server.receive("00 00 0001 00000001 00000005", "68656c6c6f"), ["opened 1", "data 1 hello"]);
});

test("hex in, events out: an opener's small exchange is four frames", () => {
  const client = new MuxRecorder({ role: "client" });
  const stream = client.open();
  assert.equal(stream.writeLatin1("ask"), true);
  stream.end();
  assert.deepEqual(client.flush(), ['DATA SYN 1 "ask"', "WINDOW FIN 1 0"]);
  assert.deepEqual(client.receive("00 00 0002 00000001 00000003", "796573", "00 01 0004 00000001 00000000"), [
    "data 1 yes",
    "end 1",
    "streams 0",
  ]);
});

// ── every combination of flags, on both kinds of frame, on a stream that is new, open, ended by the peer, or over ──

const NEW_STREAM: Readonly<Record<string, string[]>> = {
  SYN: ["opened 1"],
  "SYN|FIN": ["opened 1", "end 1"],
  "SYN|RST": [],
  "SYN|FIN|RST": [],
};
const OPEN_STREAM: Readonly<Record<string, string[]>> = {
  "-": [],
  ACK: [],
  FIN: ["end 1"],
  "ACK|FIN": ["end 1"],
  RST: ["reset 1 LINK_LOST", "streams 0"],
  "ACK|RST": ["reset 1 LINK_LOST", "streams 0"],
  "FIN|RST": ["reset 1 LINK_LOST", "streams 0"],
  "ACK|FIN|RST": ["reset 1 LINK_LOST", "streams 0"],
};
const ALL_FLAGS = Array.from({ length: 16 }, (_, bits) => {
  const names = ["SYN", "ACK", "FIN", "RST"].filter((_name, bit) => (bits & (1 << bit)) !== 0);
  return names.length === 0 ? "-" : names.join("|");
});

for (const type of ["DATA", "WINDOW"]) {
  for (const flags of ALL_FLAGS) {
    test(`${type} ${flags} on a stream that is not there`, () => {
      const server = new MuxRecorder();
      const events = server.receive(frame(type, flags, 1, type === "DATA" ? "" : 0));
      if (flags.startsWith("SYN|ACK")) {
        assert.match(events.join(), /closed LINK_PROTOCOL: .*acknowledged at once/);
        assert.deepEqual(server.flush(), PROTOCOL_GOAWAY);
      } else {
        assert.deepEqual(events, NEW_STREAM[flags] ?? [], "anything but SYN may be late news of a stream that is over");
        assert.deepEqual(server.flush(), []);
      }
    });

    test(`${type} ${flags} on an open stream`, () => {
      const server = new MuxRecorder();
      server.receive(frame("WINDOW", "SYN", 1, 0));
      const events = server.receive(frame(type, flags, 1, type === "DATA" ? "" : 7));
      if (flags.includes("SYN")) {
        assert.match(events.join(), /reset 1 LINK_PROTOCOL,closed LINK_PROTOCOL/);
        assert.deepEqual(server.flush(), PROTOCOL_GOAWAY);
      } else {
        assert.deepEqual(events, OPEN_STREAM[flags]);
        assert.equal(server.session.streamsOpen, flags.includes("RST") ? 0 : 1);
      }
    });

    test(`${type} ${flags} after the peer's own end`, () => {
      const server = new MuxRecorder();
      server.receive(frame("WINDOW", "SYN|FIN", 1, 0));
      const events = server.receive(frame(type, flags, 1, type === "DATA" ? "" : 7));
      if (flags.includes("SYN") || (flags.includes("FIN") && !flags.includes("RST"))) {
        assert.match(events.join(), /reset 1 LINK_PROTOCOL,closed LINK_PROTOCOL/);
        assert.deepEqual(server.flush(), PROTOCOL_GOAWAY);
      } else {
        assert.deepEqual(events, OPEN_STREAM[flags]);
      }
    });

    test(`${type} ${flags} for a stream of ours that we reset is read over`, () => {
      const client = new MuxRecorder({ role: "client" });
      const stream = client.open();
      stream.writeLatin1("x");
      stream.reset(gone);
      client.flush();
      client.taken();
      const events = client.receive(frame(type, flags, 1, type === "DATA" ? "late" : 9), frame("PING", "SYN", 0, 5));
      if (flags.includes("SYN")) assert.match(events.join(), /closed LINK_PROTOCOL/);
      else assert.deepEqual([events, client.flush()], [[], ["PING ACK 0 5"]]);
    });
  }
}

test("SYN and FIN with a payload: bytes first, then the end", () => {
  const server = new MuxRecorder();
  assert.deepEqual(server.receive(frame("DATA", "SYN|FIN", 1, "hello")), ["opened 1", "data 1 hello", "end 1"]);
});

test("the end waits for the last slice of its frame", () => {
  const server = new MuxRecorder();
  const hex = frame("DATA", "SYN|FIN", 1, "hello");
  assert.deepEqual(server.receive(hex.slice(0, -4)), ["opened 1", "data 1 hel"]);
  assert.deepEqual(server.receive(hex.slice(-4)), ["data 1 lo", "end 1"]);
});

for (const flags of ["RST", "SYN|RST"]) {
  test(`a payload on ${flags} is read over, and the frame behind it understood`, () => {
    const server = new MuxRecorder();
    if (flags === "RST") server.receive(frame("WINDOW", "SYN", 1, 0));
    const events = server.receive(frame("DATA", flags, 1, "lost"), frame("DATA", "SYN", 3, "hi"));
    assert.deepEqual(events.slice(-2), ["opened 3", "data 3 hi"]);
    assert.ok(!events.join().includes("lost"));
  });
}

test("data behind the end closes the session", () => {
  const server = new MuxRecorder();
  assert.match(server.receive(frame("DATA", "SYN|FIN", 1, "a"), frame("DATA", "-", 1, "b")).join(), /after its end/);
  assert.deepEqual(server.flush(), PROTOCOL_GOAWAY);
});

const BROKEN: readonly (readonly [string, string, RegExp])[] = [
  ["another version", "01 00 0000 00000001 00000000", /version 1/],
  ["an unknown type", "00 04 0000 00000001 00000000", /unknown type 4/],
  ["an unknown flag", "00 00 0010 00000001 00000000", /unknown flags 0x10/],
  ["an unknown high flag", "00 01 8000 00000001 00000000", /unknown flags 0x8000/],
  ["data on the session's own id", frame("DATA", "SYN", 0, ""), /id 0/],
  ["credit on the session's own id", frame("WINDOW", "-", 0, 1), /id 0/],
  ["a ping on a stream", frame("PING", "SYN", 1, 1), /ping on stream 1/],
  ["a ping that neither asks nor answers", frame("PING", "-", 0, 1), /neither asks nor answers/],
  ["GoAway on a stream", frame("GOAWAY", "-", 1, 0), /GoAway on stream 1/],
  ["a stream with an id of ours", frame("DATA", "SYN", 2, ""), /does not own its id/],
  ["a frame for a stream that we never opened", frame("WINDOW", "-", 4, 1), /never opened/],
];
for (const [what, hex, message] of BROKEN) {
  test(`${what} closes the session as a protocol error`, () => {
    const server = new MuxRecorder();
    const stream = server.open();
    assert.equal(stream.id, 2);
    stream.reset(gone);
    server.taken();
    const events = server.receive(hex);
    assert.equal(events.length, 1);
    assert.match(events[0]!, message);
    assert.match(events[0]!, /^closed LINK_PROTOCOL/);
    assert.deepEqual(server.flush(), PROTOCOL_GOAWAY);
    assert.deepEqual(server.receive(frame("PING", "SYN", 0, 1)), [], "nothing is heard after the end");
    assert.deepEqual(server.flush(), []);
  });
}

// ── windows ──

test("a stream takes exactly its window; one byte more closes the session", () => {
  for (const extra of [0, 1]) {
    const server = new MuxRecorder();
    server.consumes = false;
    server.receive(frame("DATA", "SYN", 1, "x".repeat(WINDOW - 1)));
    const events = server.receive(frame("DATA", "-", 1, "x".repeat(1 + extra)));
    if (extra === 0) assert.deepEqual(events, ["data 1 x"]);
    else assert.match(events.join(), /2 bytes on stream 1, more than its window/);
  }
});

test("credit is returned when half the window was consumed, not when it arrived", () => {
  const server = new MuxRecorder();
  server.consumes = false;
  server.receive(frame("DATA", "SYN", 1, "x".repeat(WINDOW)));
  const stream = server.session.streams.get(1)!;
  stream.consumed(WINDOW / 2 - 1);
  assert.deepEqual(server.flush(), []);
  stream.consumed(1);
  assert.deepEqual(server.flush(), [`WINDOW ACK 1 ${WINDOW / 2}`]);
});

test("no credit is returned for a stream that the peer ended", () => {
  const server = new MuxRecorder();
  server.consumes = false;
  server.receive(frame("DATA", "SYN|FIN", 1, "x".repeat(WINDOW)));
  server.session.streams.get(1)!.consumed(WINDOW);
  assert.deepEqual(server.flush(), []);
});

test("a sender stops at the peer's window and goes on with its credit", () => {
  const client = new MuxRecorder({ role: "client" });
  const stream = client.open();
  assert.equal(stream.write(Buffer.alloc(WINDOW + 10)), false);
  assert.ok(client.flush().length > 0);
  assert.equal(stream.queuedBytes, 10);
  assert.deepEqual(client.taken(), ["drain 1"]);
  assert.deepEqual(client.flush(), []);
  client.receive(frame("WINDOW", "ACK", 1, 4));
  assert.deepEqual(client.flush(), ['DATA - 1 "\\u0000\\u0000\\u0000\\u0000"']);
  stream.end();
  client.receive(frame("WINDOW", "-", 1, 100));
  assert.deepEqual(client.flush().length, 2, "the rest, then the end");
});

test("credit may fill the window to 2^32 - 1 and no further", () => {
  const server = new MuxRecorder();
  server.receive(frame("WINDOW", "SYN", 1, 0xffff_ffff - WINDOW));
  assert.equal(server.session.closed, false);
  assert.match(server.receive(frame("WINDOW", "-", 1, 1)).join(), /past 2\^32 - 1/);
});

test("a payload for a stream that is over has a bound", () => {
  const server = new MuxRecorder({ limits: { streamWindowMax: 1024 } });
  assert.deepEqual(server.receive(frame("DATA", "-", 1, "x".repeat(1024))), []);
  assert.match(server.receive(frame("DATA", "-", 1, 1025)).join(), /1025 bytes for a stream that is over/);
});

// ── ping and GoAway ──

test("a ping is answered with its value", () => {
  const server = new MuxRecorder();
  server.receive(frame("PING", "SYN", 0, 0xdead_beef));
  assert.deepEqual(server.flush(), ["PING ACK 0 3735928559"]);
});

test("a pong nobody asked for changes nothing", () => {
  const server = new MuxRecorder();
  assert.deepEqual(server.receive(frame("PING", "ACK", 0, 77)), []);
  assert.equal(server.session.roundTripMs, undefined);
});

test("the round trip is from a ping to its pong", () => {
  const server = new MuxRecorder();
  server.session.ping(0);
  assert.deepEqual(server.flush(), ["PING SYN 0 1"]);
  server.now = 30;
  server.receive(frame("PING", "ACK", 0, 1));
  assert.equal(server.session.roundTripMs, 30);
});

test("a normal GoAway stops new streams and keeps those under way", () => {
  const client = new MuxRecorder({ role: "client" });
  const stream = client.open();
  assert.deepEqual(client.receive(frame("GOAWAY", "-", 0, 0), frame("GOAWAY", "-", 0, 0)), ["peer goes away"]);
  assert.equal(client.session.open(stream.sink), undefined);
  stream.writeLatin1("still");
  assert.deepEqual(client.flush(), ['DATA SYN 1 "still"']);
});

for (const [code, meaning] of [
  [1, "protocol error"],
  [2, "internal error"],
  [9, "code 9"],
] as const) {
  test(`GoAway with ${meaning} ends the session and says so`, () => {
    const client = new MuxRecorder({ role: "client" });
    client.open();
    assert.deepEqual(client.receive(frame("GOAWAY", "-", 0, code)), [
      "reset 1 LINK_PROTOCOL",
      `closed LINK_PROTOCOL: the peer closed the session: ${meaning}`,
    ]);
  });
}

test("our GoAway is one frame", () => {
  const server = new MuxRecorder();
  server.session.goAway();
  assert.deepEqual(server.flush(), ["GOAWAY - 0 0"]);
});

// ── limits ──

test("one stream too many is refused, its payload read over, and its place is free again later", () => {
  const server = new MuxRecorder({ limits: { peerStreamsMax: 1 } });
  assert.deepEqual(
    server.receive(frame("DATA", "SYN", 1, "a"), frame("DATA", "SYN", 3, "b"), frame("DATA", "-", 3, "c")),
    ["opened 1", "data 1 a"],
  );
  assert.deepEqual(server.flush(), ["WINDOW RST 3 0"]);
  assert.deepEqual(server.receive(frame("WINDOW", "RST", 1, 0), frame("DATA", "SYN", 5, "d")), [
    "reset 1 LINK_LOST",
    "streams 0",
    "opened 5",
    "data 5 d",
  ]);
});

for (const first of [false, true]) {
  test(`rapid reset closes the session${first ? ", also when streams are opened and reset in one frame" : ""}`, () => {
    const server = new MuxRecorder({ limits: { peerResetsPerSecondMax: 3 } });
    const attack = (from: number): string =>
      [0, 2, 4]
        .map((id) =>
          first
            ? frame("WINDOW", "SYN|RST", from + id, 0)
            : frame("WINDOW", "SYN", from + id, 0) + frame("DATA", "RST", from + id, ""),
        )
        .join("");
    server.receive(attack(1));
    server.tick(999);
    assert.equal(server.session.closed, false);
    server.tick(1_000);
    server.receive(attack(11));
    assert.equal(server.session.closed, false, "a new second has its own count");
    assert.match(server.receive(attack(21)).join(), /closed LINK_LIMIT: .*more than 3 resets in a second/);
    assert.deepEqual(server.flush().at(-1), PROTOCOL_GOAWAY[0]);
    assert.equal(server.session.streamsOpen, 0);
  });
}

test("a ping flood closes the session", () => {
  const server = new MuxRecorder({ limits: { peerPingsPerSecondMax: 2 } });
  const ping = frame("PING", "SYN", 0, 1);
  server.receive(ping, ping);
  server.tick(1_000);
  assert.deepEqual(server.receive(ping, ping), []);
  assert.match(server.receive(ping).join(), /closed LINK_LIMIT: .*more than 2 pings/);
});

test("a peer that provokes answers and reads nothing is closed at the bound", () => {
  const server = new MuxRecorder({ limits: { peerStreamsMax: 0, controlBytesMax: 1_200 } });
  server.outcome = "full";
  server.receive(frame("WINDOW", "SYN", 1, 0));
  assert.deepEqual(server.flush(), ["WINDOW RST 1 0"]);
  for (let id = 3; id < 203; id += 2) server.receive(frame("WINDOW", "SYN", id, 0));
  assert.equal(server.session.output.bytes, 1_200);
  assert.equal(server.session.closed, false);
  assert.match(server.receive(frame("WINDOW", "SYN", 203, 0)).join(), /closed LINK_LIMIT: .*1212 bytes of answers/);
  assert.deepEqual(server.flush(), [], "nothing is written to a transport that is full");
});

test("a stream is acknowledged at the next tick when nothing else has done it, once", () => {
  const server = new MuxRecorder();
  server.receive(frame("WINDOW", "SYN", 1, 0), frame("WINDOW", "SYN", 3, 0), frame("WINDOW", "SYN", 5, 0));
  server.session.streams.get(3)!.writeLatin1("x");
  assert.deepEqual(server.flush(), ['DATA ACK 3 "x"']);
  server.receive(frame("WINDOW", "RST", 1, 0));
  server.tick(100);
  assert.deepEqual(server.flush(), ["WINDOW ACK 5 0"]);
  server.tick(200);
  assert.deepEqual(server.flush(), []);
});

test("a client that runs out of ids says so once, a million streams before, and then opens no more", () => {
  const early = new MuxRecorder({ role: "client", firstStreamId: 0xffff_ffff - 2_000_000 });
  early.open();
  assert.deepEqual(early.taken(), []);
  early.open();
  early.open();
  assert.deepEqual(early.taken(), ["ids run out"]);

  const last = new MuxRecorder({ role: "client", firstStreamId: 0xffff_ffff });
  const stream = last.open();
  stream.writeLatin1("last");
  assert.deepEqual(last.flush(), ['DATA SYN 4294967295 "last"']);
  assert.equal(last.session.open(stream.sink), undefined);
  assert.deepEqual(last.receive(frame("DATA", "ACK", 0xffff_ffff, "ok")).slice(1), ["data 4294967295 ok"]);
});

test("a stream that its opener reset before anything left costs the peer nothing", () => {
  const client = new MuxRecorder({ role: "client" });
  const stream = client.open();
  stream.reset(gone);
  assert.deepEqual(client.flush(), []);
  assert.deepEqual(client.taken(), ["streams 0"]);
  assert.equal(client.open().id, 3);
});
