/**
 * The handshake of both sides, as one table: which control message may come when, and what each side says first.
 *
 * Pure. A message that the table lacks for the present state breaks the protocol.
 */
import { PolarityError } from "../base/errors.ts";
import type { Announcement } from "../registry/announcement.ts";
import { announcementFields, type ControlMessage, formatControlMessage, PROTOCOL_VERSION } from "./control-messages.ts";
import type { ToldLimits } from "./told-limits.ts";

/**
 * - `awaiting-hello`: an acceptor that has heard nothing yet.
 * - `deciding`: it has the hello and checks who that is.
 * - `awaiting-welcome`: a dialler that has sent its hello.
 * - `joined`: both may offer, withdraw and drain.
 * - `rejected`: nothing more is expected.
 */
export type HandshakeState = "awaiting-hello" | "deciding" | "awaiting-welcome" | "joined" | "rejected";
export type HandshakeEvent = ControlMessage["type"] | "accept" | "refuse";

const TRANSITIONS: Readonly<Record<HandshakeState, Readonly<Partial<Record<HandshakeEvent, HandshakeState>>>>> = {
  "awaiting-hello": { hello: "deciding" },
  deciding: { accept: "joined", refuse: "rejected" },
  "awaiting-welcome": { welcome: "joined", reject: "rejected", error: "awaiting-welcome" },
  joined: {
    offer: "joined",
    withdraw: "joined",
    cost: "joined",
    routers: "joined",
    drain: "joined",
    error: "joined",
    opened: "joined",
  },
  rejected: {},
};

/** The state after `event`. Throws `LINK_PROTOCOL` where the table has none. */
export function nextHandshakeState(state: HandshakeState, event: HandshakeEvent): HandshakeState {
  const next = TRANSITIONS[state][event];
  if (next === undefined) throw new PolarityError("LINK_PROTOCOL", `unexpected "${event}" while ${state}`);
  return next;
}

/** Offers that a first line may carry; the rest follow as lines of their own, since a line has a limit. */
const FIRST_LINE_OFFERS_BYTES_MAX = 32 * 1024;

/** What a side tells about itself. */
export interface Introduction {
  readonly node: string;
  readonly instance: string;
  readonly offers: readonly Announcement[];
  /** What the other side may do. */
  readonly limits: Omit<ToldLimits, "untold">;
  /** What the side can do beyond the first version of the protocol. */
  readonly features?: readonly string[];
}

/** The dialler's first line, and the `offer` lines that did not fit. */
export function formatHello(introduction: Introduction, token: string | undefined, cost: number): string {
  return formatIntroduction("hello", introduction, { protocol: PROTOCOL_VERSION, token, cost });
}

/** The acceptor's first line, and the `offer` lines that did not fit. */
export function formatWelcome(introduction: Introduction, routers: readonly string[]): string {
  return formatIntroduction("welcome", introduction, { routers: routers.length === 0 ? undefined : routers });
}

export function formatReject(error: PolarityError): string {
  return formatControlMessage("reject", { code: error.code, message: error.message });
}

export function checkProtocolVersion(version: number): void {
  if (version === PROTOCOL_VERSION) return;
  throw new PolarityError("LINK_PROTOCOL", `link protocol ${version} is not spoken here, only ${PROTOCOL_VERSION}`);
}

function formatIntroduction(type: string, introduction: Introduction, fields: Record<string, unknown>): string {
  const { node, instance, limits, offers, features = [] } = introduction;
  const early: unknown[] = [];
  let late = "";
  let bytes = 0;
  for (const offer of offers) {
    const line = formatControlMessage("offer", announcementFields(offer));
    bytes += line.length;
    if (bytes <= FIRST_LINE_OFFERS_BYTES_MAX) early.push(announcementFields(offer));
    else late += line;
  }
  return formatControlMessage(type, { ...fields, node, instance, offers: early, features, limits }) + late;
}
