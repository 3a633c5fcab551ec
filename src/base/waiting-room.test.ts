import assert from "node:assert/strict";
import { test } from "node:test";
import { type Guest, WaitingRoom } from "./waiting-room.ts";

const PATIENCE_MS = 2_000;

function roomOf(places: number) {
  const room = new WaitingRoom<Guest>(places, PATIENCE_MS);
  const enter = (address: string, now: number) => {
    const guest = { address, arrivedAt: now };
    return { guest, loser: room.enter(guest, now) };
  };
  return { room, enter };
}

test("while there is room everybody gets a place, and what was left can be taken", () => {
  const { room, enter } = roomOf(2);
  const first = enter("a", 0);
  assert.equal(first.loser, undefined);
  assert.equal(enter("a", 0).loser, undefined);
  room.leave(first.guest);
  room.leave(first.guest);
  assert.equal(room.size, 1);
  assert.equal(enter("a", 0).loser, undefined);
});

test("an address with all places gives its oldest up to one that has fewer, at once", () => {
  const { room, enter } = roomOf(4);
  const greedy = [0, 1, 2, 3].map((now) => enter("greedy", now).guest);
  assert.equal(enter("honest", 4).loser, greedy[0]);
  assert.equal(enter("honest", 4).loser, greedy[1]);
  const third = enter("honest", 4);
  assert.equal(third.loser, third.guest, "both have two now");
  assert.equal(room.size, 4);
});

test("the greedy one itself is turned away until its own have waited for too long", () => {
  const { enter } = roomOf(2);
  const old = enter("greedy", 0).guest;
  enter("greedy", 0);
  const early = enter("greedy", PATIENCE_MS - 1);
  assert.equal(early.loser, early.guest);
  assert.equal(enter("greedy", PATIENCE_MS).loser, old, "behind a balancer everybody is one address");
});

test("of many addresses with a place each the oldest goes, once it has waited for too long", () => {
  const { enter } = roomOf(3);
  const guests = ["a", "b", "c"].map((address, now) => enter(address, now).guest);
  const early = enter("honest", 10);
  assert.equal(early.loser, early.guest);
  assert.equal(enter("honest", PATIENCE_MS).loser, guests[0]);
});
