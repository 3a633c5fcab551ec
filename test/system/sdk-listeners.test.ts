/** What a listener of a program's own throws is the program's uncaught exception, as with any socket, and no failure of a link. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";

const PROGRAM = `
  const { StreamDuplex } = await import("${new URL("../../src/sdk/stream-duplex.ts", import.meta.url).href}");
  const { internalErrorCounts } = await import("${new URL("../../src/base/internal-error.ts", import.meta.url).href}");
  let consumed = 0;
  const stream = { sink: undefined, write: () => true, writeLatin1: () => true, end() {}, reset() {}, consumed: (bytes) => { consumed += bytes; } };
  const duplex = new StreamDuplex({ service: "web", destroyedAs: { code: "CLIENT_GONE", message: "gone" } }, stream);
  duplex.on("data", () => { throw new Error("mine"); });
  process.once("uncaughtException", ({ message }) => {
    console.log(JSON.stringify([message, internalErrorCounts(), consumed]));
    process.exit(0);
  });
  setImmediate(() => stream.sink.data(Buffer.from("hello")));
`;

test("a listener that throws is heard by its program, and its stream's link hears nothing", () => {
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", PROGRAM], { encoding: "utf8" });
  assert.equal(stdout.trim(), '["mine",{},5]', stderr);
});
