/**
 * What programs expect of a `net.Socket` beyond a Duplex: the events, properties and methods that clients of databases, and
 * Node's HTTP, HTTP/2 and TLS, use. What has no meaning on a stream of a link (`setNoDelay`, `ref`) does nothing.
 */
import type { AddressInfo, SocketReadyState } from "node:net";
import { Duplex } from "node:stream";

/** As for a `net.Socket`: what is written when the peer has ended, and our side with it. */
class EndedByPeerError extends Error {
  readonly code = "EPIPE";
  constructor() {
    super("this stream has been ended by the other side");
  }
}

export abstract class SocketDuplex extends Duplex {
  connecting: boolean;
  timeout = 0;
  bytesRead = 0;
  readonly remoteAddress: string | undefined;
  readonly remoteFamily: string | undefined;
  readonly remotePort: number | undefined;
  readonly server: null = null;
  readonly autoSelectFamilyAttemptedAddresses: string[] = [];
  /** Bytes that the stream has taken, without what still waits. */
  protected taken = 0;
  /** Bytes of a write that waits for room, and was taken all the same. */
  protected takenWaiting = 0;
  /** `destroy` ends the stream in order. */
  protected inOrder = false;
  #timer: NodeJS.Timeout | undefined;

  /** `client`: `host:port` of whoever is at the other end, where that is known. */
  constructor(client: string, connecting: boolean) {
    super({ allowHalfOpen: true });
    const [, bracketed, plain, port = ""] = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(client) ?? [];
    this.remoteAddress = bracketed ?? plain;
    this.remoteFamily = this.remoteAddress === undefined ? undefined : bracketed === undefined ? "IPv4" : "IPv6";
    this.remotePort = port === "" ? undefined : Number(port);
    this.connecting = connecting;
  }

  get pending(): boolean {
    return this.connecting;
  }

  get readyState(): SocketReadyState {
    if (this.connecting) return "opening";
    if (this.readable) return this.writable ? "open" : "readOnly";
    return this.writable ? "writeOnly" : "closed";
  }

  /** With what still waits to be taken. */
  get bytesWritten(): number {
    return this.taken + this.writableLength - this.takenWaiting;
  }

  get bufferSize(): number {
    return this.writableLength;
  }

  address(): AddressInfo | Record<string, never> {
    return {};
  }

  /** For clients that are given a stream and connect it: it is dialled already, and `connect` follows when it is there. */
  connect(...parameters: unknown[]): this {
    const listener = parameters.at(-1);
    if (typeof listener === "function") this.once("connect", listener as () => void);
    if (!this.connecting && !this.destroyed) {
      process.nextTick(() => {
        if (!this.destroyed) this.tellConnected();
      });
    }
    return this;
  }

  setTimeout(milliseconds: number, listener?: () => void): this {
    this.stopTimer();
    this.timeout = milliseconds;
    if (milliseconds > 0 && !this.destroyed) {
      this.#timer = setTimeout(() => this.emit("timeout"), milliseconds).unref();
      if (listener !== undefined) this.once("timeout", listener);
    } else if (listener !== undefined) {
      this.off("timeout", listener);
    }
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  getTypeOfService(): number {
    return 0;
  }

  setTypeOfService(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  destroySoon(): void {
    this.inOrder = true;
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once("finish", () => this.destroy());
  }

  resetAndDestroy(): this {
    return this.destroy();
  }

  /** Sockets say with `close` whether it was for an error. */
  override emit(event: string | symbol, ...values: unknown[]): boolean {
    return event === "close" ? super.emit(event, this.errored !== null) : super.emit(event, ...values);
  }

  protected tellConnected(): void {
    this.emit("connect");
    this.emit("ready");
  }

  protected touchTimer(): void {
    this.#timer?.refresh();
  }

  protected stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Our side ends with the other's, and that is noticed also where nobody reads, as for sockets. */
  protected endWithPeer(): void {
    this.once("end", () => {
      if (this.allowHalfOpen) return;
      this.write = refusedWrite;
    });
    this.push(null);
    if (!this.allowHalfOpen) this.read(0);
  }
}

/** Instead of `write`, once the other side has ended. */
function refusedWrite(this: SocketDuplex, ...parameters: unknown[]): boolean {
  const error = new EndedByPeerError();
  const done = parameters.at(-1);
  if (typeof done === "function") process.nextTick(done, error);
  this.destroy(error);
  return false;
}
