/** The phases of one client's HTTP/1.1 connection. */
import type { IntakeMode } from "./request-intake.ts";

/**
 * - `head`: between requests, or in the middle of a head.
 * - `waiting`: the head is read, but its service is not known yet.
 * - `body`: the request's body is arriving.
 * - `response`: the request is complete, its response is not, or the client has yet to take it.
 * - `tunnel`: raw bytes both ways after a 101.
 * - `discard`: the response is complete, the rest of the request's body is read and dropped.
 * - `linger`: we said all; what the client still sends is dropped until it closes.
 * - `closing`: both sides said all; the last bytes are on their way out.
 */
export type Phase = "head" | "waiting" | "body" | "response" | "tunnel" | "discard" | "linger" | "closing" | "closed";

/** What becomes of the client's bytes in each phase. A switch, as a table's keys would vary with each request. */
export function intakeMode(phase: Phase): IntakeMode {
  switch (phase) {
    case "head":
    case "body":
    case "discard":
      return phase;
    case "waiting":
    case "response":
      return "hold";
    case "tunnel":
      return "pass";
    default:
      return "drop";
  }
}

/** How long a client that was told to go may go on sending. */
export const LINGER_MS = 2_000;
/** A client that waits for an answer for longer is asked now and then whether it is still there. */
export const LONG_ANSWER_MS = 10_000;
