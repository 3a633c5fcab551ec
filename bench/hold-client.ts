/**
 * Holds many connections open until it is stopped.
 *
 * "idle" makes one request on each and then says nothing; "stall" asks for a large body on each and never reads it. Prints
 * one JSON line when all are there: how many were answered (idle) or begun (stall).
 */
import { connect } from "node:net";
import { ResponseReader } from "./measure/response-reader.ts";
import type { HoldReport, HoldTask } from "./measure/hold.ts";

/** Connections being opened at a time: below any listen backlog. */
const OPENING_MAX = 64;

const task = JSON.parse(process.argv[2] ?? "{}") as HoldTask;
const request = `GET ${task.path} HTTP/1.1\r\nHost: bench\r\n\r\n`;
const report = { held: 0, failed: 0 } satisfies HoldReport;
let next = 0;

await Promise.all(Array.from({ length: OPENING_MAX }, openMany));
process.stdout.write(`${JSON.stringify(report)}\n`);

async function openMany(): Promise<void> {
  while (next < task.connections) {
    next += 1;
    if (await openOne()) report.held += 1;
    else report.failed += 1;
  }
}

async function openOne(): Promise<boolean> {
  return await new Promise((resolve) => {
    const reader = new ResponseReader();
    const socket = connect({ port: task.port, host: "127.0.0.1", noDelay: true });
    socket.on("connect", () => {
      socket.write(request);
      if (task.kind === "stall") {
        // What arrives stays in the kernel: the sender sees a reader that has stopped.
        socket.pause();
        resolve(true);
      }
    });
    if (task.kind === "idle") {
      socket.on("data", (bytes: Buffer) => {
        if (reader.receive(bytes) !== "more") resolve(reader.status === 200);
      });
    }
    socket.on("error", () => {});
    socket.on("close", () => resolve(false));
  });
}
