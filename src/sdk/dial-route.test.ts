import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger, systemClock } from "../base/clock.ts";
import { createNode } from "../node/node.ts";
import { DialRoute } from "./dial-route.ts";
import { configOf } from "./node-input.ts";
import { StreamDuplex } from "./stream-duplex.ts";

test("dials that end before there is a link leave nothing behind", async () => {
  const url = "tcp://127.0.0.1:1";
  const ignore = (): void => {};
  const observer = { linkUp: ignore, linkChanged: ignore, linkDown: ignore, dialFailed: ignore };
  const deaf = { ...observer, offerAdded: ignore, offerRemoved: ignore, failed: ignore };
  const route = new DialRoute(
    (heard) =>
      // Never started: it has no link.
      createNode(configOf({ links: { dial: [{ url }] } }), {
        logger: silentLogger,
        clock: systemClock,
        version: "0",
        observer: { ...deaf, ...heard },
      }),
    [url],
  );
  const codes = await Promise.all(
    Array.from({ length: 50 }, (_, index) => {
      const { promise, resolve } = Promise.withResolvers<unknown>();
      const destroyedAs = { code: "CLIENT_GONE", message: "gone" } as const;
      const duplex = new StreamDuplex({ service: "web", destroyedAs });
      let code: unknown;
      duplex.on("error", (error) => (code = (error as NodeJS.ErrnoException).code));
      duplex.on("close", () => resolve(code));
      route.open(duplex, {
        address: { machine: undefined, service: "web" },
        protocol: "tcp",
        timeoutMs: 20,
        leftMs: 20,
      });
      assert.equal(route.waiting, index + 1);
      return promise;
    }),
  );
  assert.deepEqual(new Set(codes), new Set(["DIAL_TIMEOUT"]));
  assert.equal(route.waiting, 0);
});
