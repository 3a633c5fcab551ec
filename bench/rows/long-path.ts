/** A link over 50 ms of round trip: how fast one stream gets, and what a fresh connection waits for its first byte. */
import { connect } from "node:net";
import { BULK } from "../app.ts";
import type { Bench } from "../bench.ts";
import { hopsOf } from "../contenders/contender.ts";
import { startPolarity } from "../contenders/polarity.ts";
import { runBulk } from "../measure/bulk.ts";
import { waitUntil } from "../measure/probe.ts";
import { PeakMemory } from "../measure/memory.ts";
import { freePort } from "../ports.ts";
import { median, type Sheet } from "../sheet.ts";
import type { Row } from "./row.ts";

const DELAY_MS = 25;
const FRESH_CONNECTIONS = 20;
const MEGABITS_MIN = 400;
const ROUND_TRIPS_MAX = 1.2;

export const longPath: Row = {
  name: "long-path",
  title: `the link over a path of ${2 * DELAY_MS} ms round trip`,
  needs: [],
  polarityOnly: true,
  run: async (bench, sheet) => {
    const { bytes, path } = BULK.hundredMegabytes;
    const megabytes = bytes / 1e6;
    for (const direction of ["download", "upload"]) {
      sheet.bar(`${direction} of ${megabytes} MB, one tcp stream`, "Mb/s", {
        subject: "polarity",
        atLeast: MEGABITS_MIN,
      });
    }
    sheet.bar("first byte of a fresh connection", "round trips", { subject: "polarity", atMost: ROUND_TRIPS_MAX });
    const deployment = await startPolarity(bench, { via: async (linkPort) => await startRelay(bench, linkPort) });
    const direct = await startRelay(bench, bench.app.port.a);
    const peaks = new PeakMemory(hopsOf(deployment));
    try {
      const roundTripMs = await warmFirstByteMs(direct);
      sheet.add("round trip, measured", "ms", "polarity", roundTripMs);
      const waits: number[] = [];
      for (let i = 0; i < FRESH_CONNECTIONS; i++) waits.push(await firstByteMs(deployment.port("tcp")));
      sheet.add("first byte of a fresh connection", "round trips", "polarity", median(waits) / roundTripMs);
      await runBulk(bench, { port: deployment.port("tcp"), path: BULK.hundredMegabytes.path, direction: "download" });
      for (let round = 0; round < bench.options.rounds; round++) {
        for (const direction of ["download", "upload"] as const) {
          const port = deployment.port(direction === "download" ? "tcp" : "tcp-sink");
          const report = await runBulk(bench, { port, path: direction === "download" ? path : "/", direction, bytes });
          const megabits = (report.bytes * 8) / 1e6 / report.seconds;
          sheet.add(`${direction} of ${megabytes} MB, one tcp stream`, "Mb/s", "polarity", megabits);
        }
        const plain = await runBulk(bench, { port: direct, path, direction: "download" });
        const plainMegabits = (plain.bytes * 8) / 1e6 / plain.seconds;
        sheet.add(`download of ${megabytes} MB, one tcp stream`, "Mb/s", "path alone", plainMegabits);
      }
    } finally {
      addPeak(sheet, peaks);
      await deployment.stop();
    }
  },
};

async function startRelay(bench: Bench, target: number): Promise<number> {
  const listen = await freePort();
  const relay = bench.processes.startScript("delay relay", PROGRAM, { listen, target, delayMs: DELAY_MS });
  await waitUntil("delay relay", async () => await accepts(listen), [relay]);
  return listen;
}

function addPeak(sheet: Sheet, peaks: PeakMemory): void {
  const most = Math.max(...peaks.stop().values());
  sheet.add("either hop, most", "MB resident", "polarity", most / 1e6);
}

async function accepts(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

const REQUEST = "GET / HTTP/1.1\r\nHost: bench\r\n\r\n";

/** From the connect call to the first byte of the answer. */
async function firstByteMs(port: number): Promise<number> {
  return await new Promise((resolve, reject) => {
    const from = performance.now();
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    socket.write(REQUEST);
    socket.once("data", () => {
      resolve(performance.now() - from);
      socket.destroy();
    });
    socket.once("error", reject);
    socket.once("end", () => reject(new Error("the connection ended before its first byte")));
  });
}

/** The true round trip of the relay: one exchange with the app behind it, on a connection that is there already. */
async function warmFirstByteMs(port: number): Promise<number> {
  const times: number[] = [];
  await new Promise<void>((resolve, reject) => {
    let from = 0;
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    const ask = (): void => {
      from = performance.now();
      socket.write(REQUEST);
    };
    socket.on("connect", ask);
    socket.on("error", reject);
    socket.on("data", () => {
      times.push(performance.now() - from);
      if (times.length <= FRESH_CONNECTIONS) {
        ask();
        return;
      }
      socket.destroy();
      resolve();
    });
  });
  return median(times.slice(1));
}

const PROGRAM = new URL("../delay-relay.ts", import.meta.url);
