import assert from "node:assert/strict";
import { test } from "node:test";
import { addressesInOrder, type Family, RESOLUTION_DELAY_MS } from "./host-addresses.ts";

/** Questions that the test answers when it likes. */
class Questions {
  readonly 4 = Promise.withResolvers<readonly string[]>();
  readonly 6 = Promise.withResolvers<readonly string[]>();
  readonly lookUp = (_host: string, family: Family): Promise<readonly string[]> => this[family].promise;
}

async function all(addresses: AsyncIterable<string>): Promise<string[]> {
  const found: string[] = [];
  for await (const address of addresses) found.push(address);
  return found;
}

test("the families take turns, IPv6 first, and the rest of the longer one follows", async () => {
  const questions = new Questions();
  questions[4].resolve(["4a", "4b"]);
  questions[6].resolve(["6a", "6b", "6c", "6d"]);
  assert.deepEqual(await all(addressesInOrder("host", questions.lookUp)), ["6a", "4a", "6b", "4b", "6c", "6d"]);
});

test("IPv4 waits a moment for IPv6, which then comes first", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const questions = new Questions();
  const addresses = addressesInOrder("host", questions.lookUp);
  const first = addresses.next();
  questions[4].resolve(["4a"]);
  await turn();
  t.mock.timers.tick(RESOLUTION_DELAY_MS - 1);
  questions[6].resolve(["6a"]);
  assert.equal((await first).value, "6a");
  assert.deepEqual(await all(addresses), ["4a"]);
});

test("longer than that it does not wait, and IPv6 comes when it is there", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const questions = new Questions();
  const addresses = addressesInOrder("host", questions.lookUp);
  const first = addresses.next();
  questions[4].resolve(["4a", "4b"]);
  await turn();
  t.mock.timers.tick(RESOLUTION_DELAY_MS);
  assert.equal((await first).value, "4a");
  questions[6].resolve(["6a"]);
  await turn();
  assert.deepEqual(await all(addresses), ["6a", "4b"]);
});

test("a family without addresses, or that fails, keeps nobody from the other", async () => {
  for (const lacking of [4, 6] as const) {
    const questions = new Questions();
    const addresses = all(addressesInOrder("host", questions.lookUp));
    questions[lacking].reject(new Error("no such record"));
    questions[lacking === 4 ? 6 : 4].resolve(["one"]);
    assert.deepEqual(await addresses, ["one"]);
  }
});

test("without any address the reason is told", async () => {
  const questions = new Questions();
  questions[6].resolve([]);
  questions[4].reject(new Error("the server failed"));
  await assert.rejects(all(addressesInOrder("host", questions.lookUp)), { message: "the server failed" });
  await assert.rejects(all(addressesInOrder("host", async () => [])), { message: "host has no address" });
  const failing = async (_: string, family: number) => {
    throw new Error(family === 6 ? "there is no AAAA record" : "no answer in time");
  };
  const both = "there is no AAAA record, no answer in time";
  await assert.rejects(all(addressesInOrder("host", failing)), { message: both });
});

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
