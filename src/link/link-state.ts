/** The life of a link: which events move it where, as one table. `suspect` and `draining` take no new streams. */
import type { LinkState } from "./link.ts";

export type LinkEvent = "joined" | "silent" | "heard" | "drain" | "close";

const TRANSITIONS: Readonly<Record<LinkState, Readonly<Partial<Record<LinkEvent, LinkState>>>>> = {
  joining: { joined: "up", close: "closed" },
  up: { silent: "suspect", drain: "draining", close: "closed" },
  suspect: { heard: "up", drain: "draining", close: "closed" },
  // A silent link that drains stays as it is: it takes no new streams either way.
  draining: { close: "closed" },
  closed: {},
};

/** The state after `event`, or undefined where the event changes nothing. */
export function nextLinkState(state: LinkState, event: LinkEvent): LinkState | undefined {
  return TRANSITIONS[state][event];
}
