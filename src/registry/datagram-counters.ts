/** What became of datagrams at one place: a listener, or the targets of a service. */

/**
 * Why a datagram did not go on:
 * - `associations`, `client-associations`, `rate`: it would have begun an association past a limit.
 * - `draining`: the same, while the listener takes nothing new.
 * - `unserved`: nobody served the association that it waited in.
 * - `no-port`: it bears no port that could be answered.
 * - `queue`: the way to the app, or back, is too slow for what is sent.
 * - `socket-queue`: the same of the system's socket.
 * - `amplification`: more than a client may be answered that has not shown that it is there.
 * - `stranger`: it came to an app's association from somebody who is not the app.
 * - `refused`: the app's machine says that nobody listens (ICMP).
 * - `too-large`: the socket takes no datagram of this size.
 * - `send-failed`: anything else that the system says.
 */
export type DatagramDrop =
  | "associations"
  | "client-associations"
  | "rate"
  | "draining"
  | "unserved"
  | "no-port"
  | "queue"
  | "socket-queue"
  | "amplification"
  | "stranger"
  | "refused"
  | "too-large"
  | "send-failed";

export class DatagramCounters {
  /** From clients: received by a listener, sent to an app. */
  in = 0;
  /** To clients: sent by a listener, received from an app. */
  out = 0;
  /** Passed on to nobody, or not sent, by reason. */
  readonly dropped = new Map<DatagramDrop, number>();

  countDrop(reason: DatagramDrop): void {
    this.dropped.set(reason, (this.dropped.get(reason) ?? 0) + 1);
  }
}
