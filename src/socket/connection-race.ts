/**
 * Connecting to the first of several destinations that accepts, as RFC 8305 says: an attempt that has not come to anything
 * within 250 ms gets company, one that fails is followed at once, the first to succeed wins, and the rest are broken off.
 *
 * Node's own `autoSelectFamily` breaks an attempt off before it begins the next, so that a slow address counts as a dead one.
 * Here the attempts are sockets of their own, and the winner's connection is moved into the socket that was handed out
 * before: by the method that Node moves its attempts with. Bytes that were written to it meanwhile follow.
 */
import { connect, isIP, Socket, type TcpNetConnectOpts } from "node:net";
import { messageOf } from "../base/errors.ts";
import { QUIET_PROBE_MS } from "./socket-stream.ts";

export interface Destination {
  /** An IP address. */
  readonly host: string;
  readonly port: number;
}

/** What a name leads to, in the order in which it is to be tried; an error is what part of it led to. */
export type Destinations = AsyncIterator<Destination | Error, unknown, undefined>;

export interface RaceOptions {
  /** Sent ahead of all else, in clear. */
  readonly preface?: Buffer | undefined;
  readonly attemptDelayMs?: number | undefined;
}

const ATTEMPT_DELAY_MS = 250;

/** Options with which a socket is made that waits for its race: it is connecting, and finds nothing out by itself. */
export const RACING: Pick<TcpNetConnectOpts, "lookup" | "autoSelectFamily"> = {
  lookup: () => {},
  autoSelectFamily: false,
};

interface Handle {
  close(): void;
}
type Shell = Socket & { _handle: Handle | null };
type Move = (this: Socket, handle: Handle) => void;

const MOVE = Object.getOwnPropertySymbols(Socket.prototype).find(
  ({ description }) => description === "kReinitializeHandle",
);

/** Whether this Node.js has what a race needs. */
export const canRace: boolean = MOVE !== undefined;

/** Connects `socket`, which was made with the options of `RACING`, or breaks it with why nothing accepted. */
export function raceInto(socket: Socket, destinations: Destinations, options: RaceOptions = {}): void {
  new Race(socket, destinations, options).begin();
}

/** Nothing accepted: each attempt's failure, in the order in which they failed. */
export class NothingAccepted extends Error {
  override readonly name = "NothingAccepted";
  readonly errors: readonly Error[];

  constructor(errors: readonly Error[]) {
    super([...new Set(errors.map(messageOf))].join(", "));
    this.errors = errors;
  }
}

class Race {
  readonly #socket: Socket;
  readonly #destinations: Destinations;
  readonly #options: RaceOptions;
  readonly #attempts = new Set<Socket>();
  readonly #errors: Error[] = [];
  #asking = false;
  #exhausted = false;
  #over = false;
  #next: NodeJS.Timeout | undefined;

  constructor(socket: Socket, destinations: Destinations, options: RaceOptions) {
    this.#socket = socket;
    this.#destinations = destinations;
    this.#options = options;
  }

  begin(): void {
    this.#socket.once("close", () => this.#finish());
    this.#ask();
  }

  /** For the next destination. */
  #ask(): void {
    clearTimeout(this.#next);
    if (this.#over || this.#asking || this.#exhausted) return;
    this.#asking = true;
    this.#destinations.next().then(
      ({ done, value }) => {
        this.#asking = false;
        if (this.#over) return;
        if (done !== true) {
          if (value instanceof Error) this.#failed(value);
          else this.#attempt(value);
          return;
        }
        this.#exhausted = true;
        this.#settle();
      },
      (error: unknown) => {
        this.#asking = false;
        this.#exhausted = true;
        if (!this.#over) this.#failed(error instanceof Error ? error : new Error(messageOf(error)));
      },
    );
  }

  #attempt({ host, port }: Destination): void {
    const attempt = connect({
      host,
      port,
      allowHalfOpen: true,
      autoSelectFamily: false,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: QUIET_PROBE_MS,
    });
    // Nothing may be read before the connection is where it belongs.
    attempt.pause();
    this.#attempts.add(attempt);
    let failure: Error | undefined;
    attempt.on("error", (error) => {
      failure = error;
    });
    attempt.once("close", () => {
      if (this.#attempts.delete(attempt) && !this.#over)
        this.#failed(failure ?? new Error("the connection was closed"));
    });
    attempt.once("connect", () => {
      if (!this.#over) this.#won(attempt);
    });
    this.#next = setTimeout(() => this.#ask(), this.#options.attemptDelayMs ?? ATTEMPT_DELAY_MS);
  }

  #failed(error: Error): void {
    this.#errors.push(error);
    this.#ask();
    this.#settle();
  }

  /** Gives up when nothing can come any more. */
  #settle(): void {
    if (this.#over || this.#asking || !this.#exhausted || this.#attempts.size > 0) return;
    this.#finish();
    const errors = this.#errors;
    this.#socket.destroy(errors.length === 1 ? errors[0] : new NothingAccepted(errors));
  }

  #won(attempt: Socket): void {
    this.#attempts.delete(attempt);
    this.#finish();
    const { preface } = this.#options;
    if (preface !== undefined) attempt.write(preface);
    if (attempt.writableLength > 0) attempt.once("drain", () => moveInto(this.#socket, attempt));
    else moveInto(this.#socket, attempt);
  }

  #finish(): void {
    this.#over = true;
    clearTimeout(this.#next);
    for (const attempt of this.#attempts) attempt.destroy();
    this.#attempts.clear();
    // A generator in the middle of a question ends when that is answered.
    void this.#destinations.return?.().catch(() => {});
  }
}

/** Makes the connection of `attempt` that of `socket`, and says there what Node says of a connection of its own. */
function moveInto(socket: Socket, attempt: Socket): void {
  const shell = attempt as Shell;
  const handle = shell._handle;
  if (socket.destroyed || handle === null) {
    attempt.destroy();
    return;
  }
  if (MOVE === undefined) {
    attempt.destroy();
    socket.destroy(new Error("this version of Node.js cannot follow the records of a name"));
    return;
  }
  shell._handle = null;
  (socket as unknown as Record<symbol, Move>)[MOVE]!.call(socket, handle);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Node's own, which its types call readonly
  (socket as { connecting: boolean }).connecting = false;
  socket.emit("connect");
  socket.emit("ready");
  if (!socket.destroyed && !socket.isPaused()) socket.read(0);
}

/** Whether a host is an address already, so that there is nothing to look up. */
export function isAddress(host: string): boolean {
  // A zone, as in fe80::1%eth0, is part of the address.
  return isIP(host) !== 0;
}
