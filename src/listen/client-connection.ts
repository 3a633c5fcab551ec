/** A client's connection to an HTTP listener, whichever version of HTTP it speaks. */
import type { PolarityError } from "../base/errors.ts";
import type { Holding } from "../base/held-memory.ts";
import type { HttpExchange } from "../session/http-exchange.ts";
import type { ActiveSession } from "./listener.ts";
import type { ClientAddress } from "./server-socket.ts";

export interface ClientConnection {
  readonly client: ClientAddress;
  /** Requests under way. */
  readonly busy: number;
  /** What of them is with a service. */
  exchanges(): Iterable<HttpExchange>;
  sessions(): Iterable<ActiveSession>;
  /** What it may hold, if more than its exchanges do. */
  holdings?(): Iterable<Holding>;
  /** Asks the client to take its next requests elsewhere. HTTP/1.1 lacks it: there an answer says `Connection: close`. */
  windDown?(): void;
  /** The listener drains: it closes now when idle, else when the requests under way are answered. */
  closeIfIdle(): void;
  /** Others need the place: true if it ends, as no whole request is under way, and no answer waits for its reader. */
  yield(): boolean;
  abort(error: PolarityError): void;
  sweep(now: number): void;
}
