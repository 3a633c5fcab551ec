import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogFields } from "./clock.ts";
import { QuietLog } from "./quiet-log.ts";

function setUp() {
  const world = { now: 0 };
  const lines: string[] = [];
  const fieldsSeen: LogFields[] = [];
  const writer =
    (level: string) =>
    (fields: LogFields, message: string): void => {
      lines.push(`${world.now} ${level} ${message}`);
      fieldsSeen.push(fields);
    };
  const logger = { debug: writer("debug"), info: writer("info"), warn: writer("warn"), error: writer("error") };
  return { world, lines, fieldsSeen, log: new QuietLog(logger, { now: () => world.now }) };
}

test("the first line is written at once, the last one of a burst when 10 s are over, with the count", () => {
  const { world, lines, fieldsSeen, log } = setUp();
  for (let index = 0; index < 5; index++) log.log("down web", "warn", { index }, `line ${index}`);
  assert.deepEqual(lines, ["0 warn line 0"]);
  world.now = 9_999;
  log.tick();
  assert.equal(lines.length, 1);
  world.now = 10_000;
  log.tick();
  assert.deepEqual(lines, ["0 warn line 0", "10000 warn line 4 (and 3 like it not shown)"]);
  assert.deepEqual(fieldsSeen, [{ index: 0 }, { index: 4, notShown: 3 }]);
});

test("what never stops is one line in 10 s, and every event is counted", () => {
  const { world, lines, fieldsSeen, log } = setUp();
  const events = 10_000;
  for (let index = 0; index < events; index++) {
    world.now = index * 10;
    log.log("down web", "warn", {}, "again");
    if (index % 5 === 0) log.tick();
  }
  log.flush();
  assert.equal(lines.length, 11);
  const counted = fieldsSeen.reduce((sum, { notShown }) => sum + 1 + Number(notShown ?? 0), 0);
  assert.equal(counted, events);
});

test("a line that comes back after 10 s of silence is a first one again, and nothing is kept of it", () => {
  const { world, lines, log } = setUp();
  log.log("down web", "warn", {}, "one");
  world.now = 10_000;
  log.log("down web", "warn", {}, "two");
  assert.deepEqual(lines, ["0 warn one", "10000 warn two"]);
});

test("one that was left out alone is written as it is", () => {
  const { world, lines, log } = setUp();
  log.log("left phone", "info", {}, "one");
  log.log("left phone", "error", {}, "two");
  world.now = 10_500;
  log.log("left laptop", "info", {}, "other");
  assert.deepEqual(lines, ["0 info one", "10500 error two", "10500 info other"]);
});

test("keys do not hide one another", () => {
  const { lines, log } = setUp();
  log.log("down web", "warn", {}, "web");
  log.log("down shop", "warn", {}, "shop");
  log.log("left web", "info", {}, "left");
  log.log("down web", "warn", {}, "web");
  assert.deepEqual(lines, ["0 warn web", "0 warn shop", "0 info left"]);
});

test("a kind has 200 keys: with any number of subjects it writes 201 lines in 10 s, and other kinds are untouched", () => {
  const { world, lines, log } = setUp();
  for (let index = 0; index < 5_000; index++) log.log(`scan 10.0.0.${index}`, "warn", {}, `scan ${index}`);
  assert.equal(lines.length, 201);
  log.log("down web", "warn", {}, "web");
  assert.equal(lines.at(-1), "0 warn web");
  world.now = 10_000;
  log.tick();
  assert.equal(lines.at(-1), "10000 warn scan 4999 (and 4798 like it not shown)");
  world.now = 30_000;
  log.log("scan 10.0.0.7", "warn", {}, "scan again");
  assert.equal(lines.at(-1), "30000 warn scan again");
});

test("the end tells what was left out", () => {
  const { lines, log } = setUp();
  for (let index = 0; index < 3; index++) log.log("down web", "warn", {}, `line ${index}`);
  log.flush();
  log.flush();
  assert.deepEqual(lines, ["0 warn line 0", "0 warn line 2 (and 1 like it not shown)"]);
});
