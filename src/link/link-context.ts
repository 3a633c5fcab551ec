/** What a link is made of besides its transport: the node it belongs to, its owner, and its side of the handshake. */
import type { Clock, Logger } from "../base/clock.ts";
import type { PolarityError } from "../base/errors.ts";
import type { QuietLog } from "../base/quiet-log.ts";
import type { MuxLimits, WindowBudget } from "../mux/mux-limits.ts";
import type { Announcement } from "../registry/announcement.ts";
import type { Hello } from "./control-messages.ts";
import type { Introduction } from "./handshake.ts";
import type { LinkLimits } from "./link-limits.ts";
import type { Link, LinkEvents } from "./link.ts";
import type { Transport } from "./transport.ts";

/** What all links of a node share. */
export interface LinkContext {
  readonly node: string;
  readonly instance: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** For what peers can cause again and again. */
  readonly quiet: QuietLog;
  readonly limits: LinkLimits;
  readonly muxLimits: MuxLimits;
  readonly nodeWindowBudget: WindowBudget;
  readonly events: LinkEvents;
  /** What this node offers now; a new link announces it. */
  offers(): readonly Announcement[];
  /** For tests of running out of stream ids: the first, even id of what this node opens on links that it accepted. */
  readonly firstStreamId?: number;
}

/** What a node says of itself in the first line of a link. */
export function introductionOf(context: LinkContext, features: readonly string[]): Introduction {
  const { node, instance, limits, muxLimits } = context;
  const told = {
    streams: muxLimits.peerStreamsMax,
    resets: muxLimits.peerResetsPerSecondMax,
    lines: limits.controlLinesPerSecond,
    linesAtOnce: limits.controlLinesBurst,
  };
  return { node, instance, offers: context.offers(), limits: told, features };
}

/** Who dialled or accepted the link. */
export interface LinkOwner {
  joined(link: Link): void;
  /** Another link should take this one's place; call `drain` when it has, or when there will be none. */
  replace(link: Link): void;
  /** What of the link's streams is used, from 0 to 1; a few times a second, of a link that was dialled and is up. */
  used?(link: Link, use: number): void;
  /** Over, once and last. `wasJoined` tells a link that broke from one that never came to be. */
  closed(link: Link, error: PolarityError, wasJoined: boolean): void;
}

/** Who a peer proves to be. Throws `AUTH_FAILED`. */
export type Authenticate = (hello: Hello, transport: Transport) => string;

export type LinkSide =
  | {
      readonly kind: "dialler";
      readonly token: string | undefined;
      /** Who the acceptor is to us; undefined: whoever its certificate says. */
      readonly identity?: string | undefined;
      readonly cost: number;
      /** The acceptor names other routers. */
      readonly advised?: ((routers: readonly string[]) => void) | undefined;
      readonly features?: readonly string[];
    }
  | {
      readonly kind: "acceptor";
      readonly authenticate: Authenticate;
      readonly features?: readonly string[];
      /** URLs of other routers that the dialler may as well link to. */
      readonly routers?: readonly string[];
    };
