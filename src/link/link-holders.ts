/** Who holds what arrived on a link's streams and was not read: the client, or the peer that opened the stream for it. */
import type { PolarityError } from "../base/errors.ts";
import type { Holder } from "../base/held-memory.ts";
import { clientPath, hostOf } from "../base/client-path.ts";
import { ANONYMOUS_IDENTITY } from "../base/identity.ts";
import type { MuxSession } from "../mux/mux-session.ts";
import type { MuxStream } from "../mux/mux-stream.ts";
import type { LinkPeer } from "./link.ts";
import { CONTROL_STREAM_ID } from "./opened-streams.ts";

/** Tells the peer why a stream that it opened is about to be reset. */
interface PeerTold {
  refuse(streamId: number, error: PolarityError): void;
}

/** O(streams). */
export function linkHolders(session: MuxSession, peer: LinkPeer, now: number, told: PeerTold): Holder[] {
  const holders: Holder[] = [];
  const payer = payerOf(peer);
  for (const stream of session.streams.all()) {
    if (stream.heldBytes <= 0 || stream.id === CONTROL_STREAM_ID) continue;
    holders.push(new StreamHolder(stream, stream.openedLocally ? stream.charge?.payer : payer, now, told));
  }
  return holders;
}

/** Who a peer counts as, over all of its links: what it proved to be, or else its address. */
export function payerOf({ identity, address }: Pick<LinkPeer, "identity" | "address">): string {
  return identity === ANONYMOUS_IDENTITY ? `the nodes at ${hostOf(address)}` : `the peer "${identity}"`;
}

class StreamHolder implements Holder {
  readonly path: readonly string[];
  readonly amount: number;
  readonly stillMs: number;
  readonly #stream: MuxStream;
  readonly #told: PeerTold;

  constructor(stream: MuxStream, payer: string | undefined, now: number, told: PeerTold) {
    this.#stream = stream;
    this.#told = told;
    this.path = clientPath(stream.charge?.client ?? "", payer);
    this.amount = stream.heldBytes;
    this.stillMs = now - stream.movedAt;
  }

  shed(error: PolarityError): void {
    const stream = this.#stream;
    if (stream.state === "closed") return;
    if (!stream.openedLocally) this.#told.refuse(stream.id, error);
    stream.breakOff(error);
  }
}
