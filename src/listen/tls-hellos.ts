/**
 * TLS connections that are passed on as they are: here they are until their hello has said whom they are for.
 *
 * A hello is kept until it is whole, unconsumed, so that its client is held back; then it goes on with the rest. Nobody's
 * hello may take longer than the deadline, or more than what `ClientHelloReader` bounds.
 */
import type { ByteSink } from "../base/byte-stream.ts";
import { ClientHelloReader } from "../base/client-hello.ts";
import type { SocketStream } from "../socket/socket-stream.ts";
import { UNRECOGNIZED_NAME } from "../socket/tls-gate.ts";
import { plainHttpAnswer } from "./plain-http-answer.ts";
import type { ClientAddress } from "./server-socket.ts";

export interface TlsHellosEvents {
  /** The hello is read; `begin` hands the client's bytes, from the first one on, to what is the stream's sink by then. */
  told(stream: SocketStream, client: ClientAddress, name: string, begin: () => void): void;
  /** There is none, and the connection is over. `why` follows on "the client …: ". */
  refused(client: ClientAddress, why: string): void;
}

export class TlsHellos {
  readonly #events: TlsHellosEvents;
  /** In the order of their deadlines, unless a reload changed the time. */
  readonly #waiting = new Set<WaitingHello>();

  constructor(events: TlsHellosEvents) {
    this.#events = events;
  }

  get size(): number {
    return this.#waiting.size;
  }

  take(stream: SocketStream, client: ClientAddress, deadline: number): void {
    this.#waiting.add(new WaitingHello(this, stream, client, deadline));
  }

  sweep(now: number): void {
    for (const waiting of this.#waiting) {
      if (now >= waiting.deadline) this.refuse(waiting, "its TLS hello did not arrive in time", undefined);
    }
  }

  close(): void {
    for (const waiting of this.#waiting) this.refuse(waiting, "the listener closed", undefined);
  }

  // ── called by those that wait ──

  read(waiting: WaitingHello, name: string, begin: () => void): void {
    if (this.#waiting.delete(waiting)) this.#events.told(waiting.stream, waiting.client, name, begin);
  }

  refuse(waiting: WaitingHello, why: string, answer: Buffer | undefined): void {
    if (!this.#waiting.delete(waiting)) return;
    closeWith(waiting.stream, answer);
    this.#events.refused(waiting.client, why);
  }
}

/** Ends a connection whose name nobody serves, with the alert that says so. */
export function refuseName(stream: SocketStream): void {
  closeWith(stream, UNRECOGNIZED_NAME);
}

function closeWith(stream: SocketStream, answer: Buffer | undefined): void {
  if (answer !== undefined) stream.write(answer);
  stream.closeAfterWrites();
}

/** RFC 8446 §6.2: fatal alert `decode_error`. */
const DECODE_ERROR = Buffer.from([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x32]);

class WaitingHello implements ByteSink {
  readonly stream: SocketStream;
  readonly client: ClientAddress;
  readonly deadline: number;
  readonly #hellos: TlsHellos;
  readonly #reader = new ClientHelloReader();
  readonly #kept: Buffer[] = [];

  constructor(hellos: TlsHellos, stream: SocketStream, client: ClientAddress, deadline: number) {
    this.#hellos = hellos;
    this.stream = stream;
    this.client = client;
    this.deadline = deadline;
    stream.sink = this;
  }

  data(chunk: Buffer): void {
    const reading = this.#reader.push(chunk);
    // A chunk is lent for the call only.
    this.#kept.push(Buffer.from(chunk));
    if (reading.kind === "more") return;
    if (reading.kind === "hello") {
      this.#hellos.read(this, reading.name, () => {
        for (const piece of this.#kept) this.stream.sink.data(piece);
      });
      return;
    }
    const first = this.#kept[0]?.[0] ?? 0;
    const isHttp = first >= 0x41 && first <= 0x5a;
    const answer = reading.isTls ? DECODE_ERROR : isHttp ? Buffer.from(plainHttpAnswer(), "latin1") : undefined;
    this.#hellos.refuse(this, isHttp ? "it speaks plain HTTP" : reading.reason, answer);
  }

  end(): void {
    this.#hellos.refuse(this, "it closed the connection before its TLS hello was complete", undefined);
  }

  reset(): void {
    this.#hellos.refuse(this, "it broke the connection before its TLS hello was complete", undefined);
  }

  drain(): void {}
}
