/** The lifecycles of a one-to-N session and of its sides, as tables; an event that a state does not list changes nothing. */

/**
 * - `racing`: half duplex, nobody has answered.
 * - `latched`: half duplex, one answered and is alone with the client.
 * - `merging`: full duplex.
 * - `deserted`: nobody can answer any more, and the client has been told by an end; it may still send to who listens.
 * - `over`: final.
 */
export type FanOutState = "racing" | "latched" | "merging" | "deserted" | "over";

/** `broken`: the side that had the client to itself broke. `done`: nothing is left to be passed on. */
export type FanOutEvent = "answered" | "no-answerer" | "broken" | "done" | "aborted";

const SESSION: Readonly<Record<FanOutState, Readonly<Partial<Record<FanOutEvent, FanOutState>>>>> = Object.freeze({
  racing: { answered: "latched", "no-answerer": "deserted", aborted: "over" },
  latched: { "no-answerer": "deserted", broken: "over", aborted: "over" },
  merging: { "no-answerer": "deserted", aborted: "over" },
  deserted: { done: "over", aborted: "over" },
  over: {},
});

export function nextFanOutState(state: FanOutState, event: FanOutEvent): FanOutState {
  return SESSION[state][event] ?? state;
}

/**
 * - `open`: both ways.
 * - `listening`: it says nothing more, and still gets what the client sends.
 * - `answering`: it has all that the client sent, and its end, and may still answer.
 * - `gone`: final.
 */
export type SideState = "open" | "listening" | "answering" | "gone";

/** `said-all`: the server ended. `told-all`: the client's end has been passed on. `lost`: it broke. `cut`: we broke it. */
export type SideEvent = "said-all" | "told-all" | "lost" | "cut";

const SIDE: Readonly<Record<SideState, Readonly<Partial<Record<SideEvent, SideState>>>>> = Object.freeze({
  open: { "said-all": "listening", "told-all": "answering", lost: "gone", cut: "gone" },
  listening: { "told-all": "gone", lost: "gone", cut: "gone" },
  answering: { "said-all": "gone", lost: "gone", cut: "gone" },
  gone: {},
});

export function nextSideState(state: SideState, event: SideEvent): SideState {
  return SIDE[state][event] ?? state;
}
