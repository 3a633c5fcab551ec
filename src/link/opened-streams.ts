/** Streams that this side of a link opened, as the other side speaks of them on the control stream. */
import type { MuxSession } from "../mux/mux-session.ts";
import type { MuxStream } from "../mux/mux-stream.ts";
import type { ErrorNotice } from "./control-messages.ts";
import { peerError } from "./peer-error.ts";

export const CONTROL_STREAM_ID = 1;

/** Undefined for any other: a peer has a word in no stream but these. */
export function openedHere(session: MuxSession, streamId: number): MuxStream | undefined {
  const stream = session.streams.get(streamId);
  return stream?.openedLocally === true && streamId !== CONTROL_STREAM_ID ? stream : undefined;
}

/** `who` refused one of these streams, and says why. */
export function refusedByPeer(
  session: MuxSession,
  streamId: number,
  { code, message }: ErrorNotice,
  who: string,
): void {
  const stream = openedHere(session, streamId);
  if (stream === undefined) return;
  // A reason that we do not know may have come after the app had seen the request.
  const error = peerError(code, "TARGET_FAILED", `${who}: ${message}`);
  stream.breakOff(error);
}
