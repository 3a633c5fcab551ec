/** Streams that this side of a link opened, as the other side speaks of them on the control stream. */
import { PolarityError } from "../base/errors.ts";
import type { StreamRequest } from "../base/upstream.ts";
import type { MuxSession } from "../mux/mux-session.ts";
import { RESETS_HELD_MAX } from "../mux/reset-queue.ts";
import type { MuxStream } from "../mux/mux-stream.ts";
import type { ErrorNotice } from "./control-messages.ts";
import { peerError } from "./peer-error.ts";

export const CONTROL_STREAM_ID = 1;

/** Undefined for any other: a peer has a word in no stream but these. */
export function openedHere(session: MuxSession, streamId: number): MuxStream | undefined {
  const stream = session.streams.get(streamId);
  return stream?.openedLocally === true && streamId !== CONTROL_STREAM_ID ? stream : undefined;
}

/** True, once for each stream: an error of the peer is about a stream of ours, or about one that was over when it came. */
export function takesReason(session: MuxSession, streamId: number): boolean {
  if (openedHere(session, streamId) !== undefined) return true;
  if (session.streamsUnexplained === 0) return false;
  session.streamsUnexplained--;
  return true;
}

/** `who` refused one of these streams, and says why. `resetFollows`: a reset from us would be one too many. */
export function refusedByPeer(
  session: MuxSession,
  { stream: streamId = 0, code, message }: ErrorNotice,
  who: string,
  resetFollows: boolean,
): void {
  const stream = openedHere(session, streamId);
  if (stream === undefined) return;
  // A reason that we do not know may have come after the app had seen the request.
  const error = peerError(code, "TARGET_FAILED", `${who}: ${message}`);
  if (resetFollows) stream.peerReset(error);
  else stream.breakOff(error);
}

/** Why the link to `who` has no room for `request`; undefined where it has. */
export function noRoom(
  { room, ownStreams, streams }: MuxSession,
  request: StreamRequest,
  who: string,
): PolarityError | undefined {
  const { streamsMax } = room;
  if (ownStreams >= streamsMax) {
    return new PolarityError("STREAM_REFUSED", `the link to ${who} has all of its ${streamsMax} streams open`);
  }
  if (ownStreams - streams.size >= RESETS_HELD_MAX) {
    return new PolarityError(
      "STREAM_REFUSED",
      `${who} takes too few resets a second: too many streams to it are cancelled`,
    );
  }
  const used = room.usedShare(request, ownStreams);
  if (used === undefined) return undefined;
  const why = `the link to ${who} is nearly full, and ${used.streams} of its ${streamsMax} streams are for ${used.whose}`;
  return new PolarityError("SHARE_USED_UP", why, undefined, RETRY_AFTER_SECONDS);
}

const RETRY_AFTER_SECONDS = 1;
