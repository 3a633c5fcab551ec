import assert from "node:assert/strict";
import { test } from "node:test";

import { SendWindow } from "./send-window.ts";

test("sending pauses above 64 KiB and goes on below 16 KiB", () => {
  const window = new SendWindow();
  window.sent(65_536);
  assert.equal(window.paused, false, "at the mark");
  window.sent(1);
  assert.equal(window.paused, true, "above it");
  assert.equal(window.acknowledged(49_153), false, "16 KiB are left");
  assert.equal(window.paused, true);
  assert.equal(window.acknowledged(1), true, "one less");
  assert.equal(window.paused, false);
  assert.equal(window.acknowledged(16_383), false, "nothing to go on with: it was not paused");
});

test("a peer that acknowledges what it was not sent gains nothing", () => {
  const window = new SendWindow();
  window.sent(10);
  window.acknowledged(1_000_000);
  window.acknowledged(-1_000_000);
  window.sent(65_536);
  assert.equal(window.paused, false);
  window.sent(1);
  assert.equal(window.paused, true);
});
