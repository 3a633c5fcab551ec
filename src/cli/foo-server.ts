/**
 * A server of the Foo Protocol, as the original answers: for trying `foo-proxy` out, and for its tests.
 *
 * Each line gets one answer with its number: the MD5 of its type, its number, the code points of its data in hexadecimal and
 * a word, as ACK, or as NAK where that begins with `2` or `d`. A line that is no message gets `NAK 0 ERRDECODE`.
 */
import { createHash } from "node:crypto";
import { createServer, type Server, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { ListenerAddress } from "../base/address.ts";
import { PolarityError } from "../base/errors.ts";
import { listenOn } from "../admin/listening.ts";
import { EXIT } from "./exit-code.ts";
import { announceReady } from "./parent.ts";

const MESSAGE = /^(REQ|ACK|NAK)[ \t\v\f\r]+([+-]?[0-9]+)(?:[ \t\v\f\r]+([^]*))?$/;
const WORD = "weaveworks";
/** A longer line is answered like one that is no message. */
const LINE_BYTES_MAX = 1024 * 1024;

/** Of a line without its line feed. */
export function fooAnswer(line: string): string {
  const match = MESSAGE.exec(line);
  if (match === null) return "NAK 0 ERRDECODE";
  const [, type, seq, data = ""] = match;
  const points = Array.from(data, (character) => character.codePointAt(0)!.toString(16)).join("");
  const hash = createHash("md5").update(`${type}${seq}${points}${WORD}`).digest("hex");
  return `${hash.startsWith("2") || hash.startsWith("d") ? "NAK" : "ACK"} ${seq} ${hash}`;
}

/** Clients end connections, the server never does. */
export function createFooServer(): Server {
  return createServer({ noDelay: true }, serve);
}

function serve(socket: Socket): void {
  let pieces: Buffer[] = [];
  let held = 0;
  socket.on("error", () => socket.destroy());
  socket.on("drain", () => socket.resume());
  socket.on("data", (chunk: Buffer) => {
    let answers = "";
    let from = 0;
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
      pieces.push(chunk.subarray(from, at));
      const tooLong = held > LINE_BYTES_MAX;
      answers += `${fooAnswer(tooLong ? "" : Buffer.concat(pieces).toString("utf8"))}\n`;
      pieces = [];
      held = 0;
      from = at + 1;
    }
    held += chunk.length - from;
    if (held > LINE_BYTES_MAX) pieces = [];
    else if (from < chunk.length) pieces.push(chunk.subarray(from));
    if (answers !== "" && !socket.write(answers)) socket.pause();
  });
}

/** Until it is asked to stop. */
export async function runFooServer(address: ListenerAddress): Promise<number> {
  if (address.place.kind !== "tcp")
    throw new PolarityError("USAGE", `expected a TCP port to listen on, not ${address.url}`);
  const server = createFooServer();
  const bound = await listenOn(server, address);
  announceReady({ links: [], listeners: [bound], admin: undefined });
  process.stderr.write(`a Foo server listens on ${bound}\n`);
  const stopped = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => stopped.abort());
  while (!stopped.signal.aborted) await delay(2 ** 30, undefined, { signal: stopped.signal }).catch(() => {});
  return process.exit(EXIT.done);
}
