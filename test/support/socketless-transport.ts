/** A transport whose other end is the test: what it delivers is called in, what is written goes nowhere. */
import type { Transport, TransportHandler } from "../../src/link/transport.ts";

export class SocketlessTransport implements Transport {
  readonly kind = "memory";
  readonly remoteAddress = "fuzz";
  readonly certificateIdentity = undefined;
  readonly settled = true;
  handler: TransportHandler | undefined;
  #closed = false;

  start(handler: TransportHandler): void {
    this.handler = handler;
  }

  write(): "taken" {
    return "taken";
  }

  end(): void {
    this.destroy();
  }

  destroy(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.handler?.closed(undefined);
  }
}
