/**
 * Connections whose PROXY header is yet to come. A socket goes on paused, with its own bytes put back: whoever takes it,
 * a listener or a TLS server, finds it as if it had just been accepted.
 */
import type { Socket } from "node:net";
import type { ProxyHeader } from "../base/proxy-header.ts";
import { readProxyHeader } from "../base/proxy-header-reader.ts";
import { RECEIVER, type ReadReceiver, type ReceivingSocket } from "../socket/shared-read.ts";
import type { ClientAddress } from "./server-socket.ts";

export interface ProxyHeaderEvents {
  /** The header is read. */
  told(socket: Socket, peer: ClientAddress, header: ProxyHeader): void;
  /** There is none, and will be none. `reason` follows on "the PROXY header of …: ". */
  refused(socket: Socket, peer: ClientAddress, reason: string): void;
}

export class ProxyHeaderGate {
  readonly #events: ProxyHeaderEvents;
  readonly #waiting = new Set<WaitingSocket>();

  constructor(events: ProxyHeaderEvents) {
    this.#events = events;
  }

  /** Takes a socket of which nothing has been read. `deadline` is in the time of `sweep`. */
  take(socket: Socket, peer: ClientAddress, deadline: number): void {
    const waiting = new WaitingSocket(socket, peer, deadline, {
      read: (chunk) => this.#read(waiting, chunk),
      over: () => this.#refuse(waiting, "the connection ended before it was complete"),
    });
    this.#waiting.add(waiting);
  }

  sweep(now: number): void {
    for (const waiting of this.#waiting) {
      if (now >= waiting.deadline) this.#refuse(waiting, "it did not arrive in time");
    }
  }

  /** Refuses all that wait. */
  close(reason: string): void {
    for (const waiting of this.#waiting) this.#refuse(waiting, reason);
  }

  #read(waiting: WaitingSocket, chunk: Buffer): void {
    if (!this.#waiting.has(waiting)) return;
    // The chunk is lent; a header comes in one piece but for those who cut it on purpose.
    waiting.bytes = Buffer.concat([waiting.bytes, chunk]);
    const { bytes, socket, peer } = waiting;
    const reading = readProxyHeader(bytes);
    if (reading.kind === "more") return;
    if (reading.kind === "invalid") {
      this.#refuse(waiting, reading.reason);
      return;
    }
    this.#waiting.delete(waiting);
    waiting.release();
    socket.pause();
    if (bytes.length > reading.bytes) socket.unshift(bytes.subarray(reading.bytes));
    this.#events.told(socket, peer, reading.header);
  }

  #refuse(waiting: WaitingSocket, reason: string): void {
    if (!this.#waiting.delete(waiting)) return;
    waiting.release();
    this.#events.refused(waiting.socket, waiting.peer, reason);
  }
}

/** Sockets with a shared read tell their receiver, others say `data`. */
class WaitingSocket implements ReadReceiver {
  readonly socket: ReceivingSocket;
  readonly peer: ClientAddress;
  readonly deadline: number;
  readonly received: (chunk: Buffer) => void;
  readonly #over: () => void;
  bytes: Buffer = Buffer.alloc(0);

  constructor(socket: Socket, peer: ClientAddress, deadline: number, events: WaitingEvents) {
    this.socket = socket;
    this.peer = peer;
    this.deadline = deadline;
    this.received = events.read;
    this.#over = events.over;
    this.socket[RECEIVER] = this;
    socket.on("error", ignore);
    socket.on("data", this.received);
    socket.on("end", this.#over);
    socket.on("close", this.#over);
  }

  /** The socket has nothing of ours any more. */
  release(): void {
    delete this.socket[RECEIVER];
    this.socket.off("error", ignore);
    this.socket.off("data", this.received);
    this.socket.off("end", this.#over);
    this.socket.off("close", this.#over);
  }
}

interface WaitingEvents {
  readonly read: (chunk: Buffer) => void;
  readonly over: () => void;
}

/** `close` follows. */
function ignore(): void {}
