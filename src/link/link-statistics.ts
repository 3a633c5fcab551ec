/** What is counted of a link, out of its mux session. */
import type { MuxSession } from "../mux/mux-session.ts";
import type { LinkStatistics } from "./link.ts";

export function statisticsOf({
  bytesIn,
  bytesOut,
  streamsOpen,
  streamsTotal,
  roundTripMs,
}: MuxSession): LinkStatistics {
  // The control stream is ours, not the user's.
  return {
    bytesIn,
    bytesOut,
    streamsOpen: Math.max(0, streamsOpen - 1),
    streamsTotal: Math.max(0, streamsTotal - 1),
    roundTripMs,
  };
}
