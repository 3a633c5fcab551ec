/** The life of one stream: which half-closes and resets are legal when, in one place. */

export type StreamState = "open" | "local-ended" | "remote-ended" | "closed";
export type StreamEvent = "local-fin" | "remote-fin" | "reset";

/**
 * The state after `event`, or undefined where there is none: the peer broke the protocol, or the event is stale.
 *
 * Asked several times for each stream, so it is no table: keys that vary are looked up in the engine's slowest way.
 */
export function nextStreamState(state: StreamState, event: StreamEvent): StreamState | undefined {
  switch (state) {
    case "open":
      return event === "reset" ? "closed" : event === "local-fin" ? "local-ended" : "remote-ended";
    case "local-ended":
      return event === "local-fin" ? undefined : "closed";
    case "remote-ended":
      return event === "remote-fin" ? undefined : "closed";
    default:
      return undefined;
  }
}

/** True while the peer may still send on the stream. */
export function mayReceive(state: StreamState): boolean {
  return state === "open" || state === "local-ended";
}

/** True while we may still send on the stream. */
export function maySend(state: StreamState): boolean {
  return state === "open" || state === "remote-ended";
}
