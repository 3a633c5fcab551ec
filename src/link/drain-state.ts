/**
 * How two nodes agree that a link is over, as one table.
 *
 * Whoever asks closes the link: once the answer is there, nothing that the other side opened can still be on its way.
 * The one that answers cannot know that of the asker, so it leaves the closing to it, within limits of time.
 */

/**
 * - `none`: nobody wants the link to end.
 * - `asked`: we sent `drain` first.
 * - `to-answer`: the peer did; a dialler may open another link before it answers.
 * - `answered`: we sent ours in answer.
 * - `agreed`: close as soon as no stream is open.
 */
export type DrainState = "none" | "asked" | "to-answer" | "answered" | "agreed";
export type DrainEvent = "send" | "received" | "late";

const TRANSITIONS: Readonly<Record<DrainState, Readonly<Partial<Record<DrainEvent, DrainState>>>>> = {
  none: { send: "asked", received: "to-answer" },
  asked: { received: "agreed", late: "agreed" },
  "to-answer": { send: "answered", late: "answered" },
  answered: { late: "agreed" },
  agreed: {},
};

/** The state after `event`, or undefined where the event changes nothing. */
export function nextDrainState(state: DrainState, event: DrainEvent): DrainState | undefined {
  return TRANSITIONS[state][event];
}
