/** The life of one stream: which half-closes and resets are legal when, as one table. */

export type StreamState = "open" | "local-ended" | "remote-ended" | "closed";
export type StreamEvent = "local-fin" | "remote-fin" | "reset";

const TRANSITIONS: Readonly<Record<StreamState, Readonly<Partial<Record<StreamEvent, StreamState>>>>> = {
  open: { "local-fin": "local-ended", "remote-fin": "remote-ended", reset: "closed" },
  "local-ended": { "remote-fin": "closed", reset: "closed" },
  "remote-ended": { "local-fin": "closed", reset: "closed" },
  closed: {},
};

/** The state after `event`, or undefined where the table has none: the peer broke the protocol, or the event is stale. */
export function nextStreamState(state: StreamState, event: StreamEvent): StreamState | undefined {
  return TRANSITIONS[state][event];
}

/** True while the peer may still send on the stream. */
export function mayReceive(state: StreamState): boolean {
  return state === "open" || state === "local-ended";
}

/** True while we may still send on the stream. */
export function maySend(state: StreamState): boolean {
  return state === "open" || state === "remote-ended";
}
