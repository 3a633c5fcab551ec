/** Serves streams as raw bytes: one connection to the app each, over tcp, TLS or a unix socket. */
import type { TargetAddress } from "../base/address.ts";
import { type ByteSink, type ByteStream, NO_SINK } from "../base/byte-stream.ts";
import type { PolarityError } from "../base/errors.ts";
import { NOTHING_OWED } from "../base/owed-credit.ts";
import type { NameResolver } from "../socket/name-resolver.ts";
import { SocketStream } from "../socket/socket-stream.ts";
import { type ProxyProtocol, prefaceFor } from "./app-preface.ts";
import { connectApp, onceConnected } from "./app-socket.ts";
import type { AppTls } from "./app-tls.ts";
import { type Target, unreachable } from "./target.ts";

export interface TcpTargetOptions {
  readonly address: TargetAddress;
  /** Of a tls target. */
  readonly tls: AppTls | undefined;
  readonly names: NameResolver;
  readonly connectTimeoutMs: number;
  readonly proxyProtocol: ProxyProtocol;
  /** The app failed a connection. */
  failed(error: PolarityError): void;
}

export class TcpTarget implements Target {
  readonly url: string;
  readonly #options: TcpTargetOptions;
  readonly #serving = new Set<TcpServing>();

  constructor(options: TcpTargetOptions) {
    this.#options = options;
    this.url = options.address.url;
  }

  get active(): number {
    return this.#serving.size;
  }

  accept(stream: ByteStream, client: string): void {
    const { address, tls, names, connectTimeoutMs, proxyProtocol } = this.#options;
    const { place } = address;
    const preface = proxyProtocol === "none" ? undefined : prefaceFor(proxyProtocol, client, place);
    const socket = connectApp({ place, tls, names }, connectTimeoutMs, preface);
    const app = new SocketStream(socket, { code: "TARGET_FAILED", who: `the app ${this.url}` }, NO_SINK);
    const serving = new TcpServing({
      url: this.url,
      stream,
      app,
      failed: (error) => this.#options.failed(error),
      done: () => this.#serving.delete(serving),
    });
    this.#serving.add(serving);
    onceConnected(socket, () => serving.connected());
  }

  sweep(): void {}

  close(error: PolarityError): void {
    for (const serving of this.#serving) serving.abort(error);
  }
}

/** Two streams joined: what one delivers, the other is written, with the credit of the slower. */
interface TcpServingOptions {
  readonly url: string;
  readonly stream: ByteStream;
  readonly app: SocketStream;
  readonly failed: (error: PolarityError) => void;
  readonly done: () => void;
}

class TcpServing {
  readonly #url: string;
  readonly #stream: ByteStream;
  readonly #app: SocketStream;
  readonly #failed: (error: PolarityError) => void;
  readonly #done: () => void;
  #connected = false;
  #streamEnded = false;
  #appEnded = false;

  constructor({ url, stream, app, failed, done }: TcpServingOptions) {
    this.#url = url;
    this.#stream = stream;
    this.#app = app;
    this.#failed = failed;
    this.#done = done;
    const toApp = new PipeSide(
      stream,
      app,
      () => this.#streamSideEnded(),
      (error) => this.#streamReset(error),
    );
    const toStream = new PipeSide(
      app,
      stream,
      () => this.#appSideEnded(),
      (error) => this.#appReset(error),
    );
    toApp.back = toStream;
    toStream.back = toApp;
    stream.sink = toApp;
    app.sink = toStream;
  }

  connected(): void {
    this.#connected = true;
    this.#stream.confirm?.();
  }

  abort(error: PolarityError): void {
    this.#stream.reset(error);
    this.#app.reset(error);
    this.#done();
  }

  #streamSideEnded(): void {
    this.#streamEnded = true;
    this.#app.end();
    if (this.#appEnded) this.#done();
  }

  #appSideEnded(): void {
    this.#appEnded = true;
    this.#stream.end();
    if (this.#streamEnded) this.#done();
  }

  #streamReset(error: PolarityError): void {
    this.#app.reset(error);
    this.#done();
  }

  #appReset(error: PolarityError): void {
    const reason = this.#connected ? error : unreachable(this.#url, error);
    this.#failed(reason);
    this.#stream.reset(reason);
    this.#done();
  }
}

class PipeSide implements ByteSink {
  /** The other direction: it is told when this side's stream may be written again. */
  back: PipeSide | undefined;
  readonly #from: ByteStream;
  readonly #to: ByteStream;
  readonly #ended: () => void;
  readonly #reset: (error: PolarityError) => void;
  #owed = NOTHING_OWED;

  constructor(from: ByteStream, to: ByteStream, ended: () => void, reset: (error: PolarityError) => void) {
    this.#from = from;
    this.#to = to;
    this.#ended = ended;
    this.#reset = reset;
  }

  data(chunk: Buffer): void {
    if (this.#to.write(chunk)) this.#from.consumed(chunk.length);
    else this.#owed = this.#owed.plus(this.#from, chunk.length);
  }

  end(): void {
    this.#ended();
  }

  reset(error: PolarityError): void {
    this.#reset(error);
  }

  drain(): void {
    this.back?.returnCredit();
  }

  returnCredit(): void {
    this.#owed.settle();
  }
}
