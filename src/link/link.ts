/** The contract of a link as the node sees it, after the handshake: symmetric, whoever dialled. */
import type { ByteStream } from "../base/byte-stream.ts";
import type { PolarityError } from "../base/errors.ts";
import type { Holder } from "../base/held-memory.ts";
import type { Upstream } from "../base/upstream.ts";
import type { Announcement, OnwardPath } from "../registry/announcement.ts";
import type { Preamble } from "./preamble.ts";

export type { Announcement };

/**
 * - `joining`: the handshake is under way.
 * - `up`: streams may be opened.
 * - `suspect`: silent while something is owed; no new streams until it says something.
 * - `draining`: no new streams; closes when those under way end.
 * - `closed`: final.
 */
export type LinkState = "joining" | "up" | "suspect" | "draining" | "closed";

export interface LinkPeer {
  readonly node: string;
  readonly instance: string;
  /** Who the peer proved to be: a token's name, a certificate's subject, or `anonymous`. */
  readonly identity: string;
  readonly address: string;
  /** What it can do beyond the first version of the protocol: `relay`. */
  readonly features: readonly string[];
}

export interface LinkStatistics {
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly streamsOpen: number;
  readonly streamsTotal: number;
  /** Smoothed round trip in milliseconds; undefined before the first pong. */
  readonly roundTripMs: number | undefined;
}

export interface Link extends Upstream {
  /** Unique within this process. */
  readonly id: string;
  readonly transport: string;
  readonly dialled: boolean;
  /** What the link costs to use, as the dialler said; cheaper is preferred. */
  readonly cost: number;
  /** What this side said that it can do beyond the first version of the protocol. */
  readonly features: readonly string[];
  readonly peer: LinkPeer;
  readonly state: LinkState;
  /** The peer does not read what it is told: what others offer waits where it is. */
  readonly deaf: boolean;
  /** `onward`: it leads on to another node. */
  offer(announcement: Announcement, onward?: OnwardPath): void;
  /** `origin`: the instance that serves, of an offer that leads on to it. */
  withdraw(service: string, origin?: string): void;
  /** Changes what the link costs, at both ends; the dialler's to decide. */
  setCost(cost: number): void;
  /** Tells the dialler which other routers are worth joining. */
  advise(routers: readonly string[]): void;
  /** What the peer offered is not taken: it counts no more. `origin`: as for `withdraw`. */
  dropOffer(service: string, origin: string | undefined): void;
  /** Tells the peer of something that is wrong with what it announced; the link goes on. */
  notify(error: PolarityError): void;
  /** Tells the peer and stops new streams; resolves by `closed` once those under way have ended. */
  drain(): void;
  /** Ends the link now; streams under way are reset with `error`. */
  close(error: PolarityError): void;
  statistics(): LinkStatistics;
  /** Who holds bytes that arrived on its streams; O(streams). */
  holders(now: number): Holder[];
}

/** What a node is told about its links. */
export interface LinkEvents {
  /** The handshake is done. `offers` that came with it follow as `offered`. */
  joined(link: Link): void;
  /** `up`, `suspect` and `draining` come and go. */
  stateChanged(link: Link, state: LinkState): void;
  offered(link: Link, announcement: Announcement, onward: OnwardPath | undefined): void;
  withdrawn(link: Link, service: string, origin: string | undefined): void;
  costChanged(link: Link): void;
  /**
   * The peer opened a stream; the preamble is read and checked. Set `stream.sink` before returning; payload that came with
   * the preamble is delivered right after.
   */
  accepted(link: Link, preamble: Preamble, stream: ByteStream): void;
  /** After `joined`; called once, last. Streams have been reset already. */
  closed(link: Link, error: PolarityError): void;
}
