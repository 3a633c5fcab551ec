/** Statistics of any protocol at all: bytes each way and how often they come, connections, and how long those last. */
import type { Analyzer } from "./analyzer.ts";
import type { Meters } from "./meters.ts";

export function createBytesAnalyzer(meters: Meters): Analyzer {
  const connections = meters.meter("connections");
  const fromClients = meters.meter("bytes_in");
  const fromServers = meters.meter("bytes_out");
  const durations = meters.durations("connection");
  return {
    open: (openedAt) => {
      connections.add(openedAt);
      let bytesIn = 0;
      let bytesOut = 0;
      return {
        fromClient: (bytes, now) => {
          bytesIn += bytes.length;
          fromClients.add(now, bytes.length);
        },
        fromServer: (bytes, now) => {
          bytesOut += bytes.length;
          fromServers.add(now, bytes.length);
        },
        closed: (now) => durations.record(now - openedAt),
        statistics: () => ({ bytes_in: bytesIn, bytes_out: bytesOut }),
      };
    },
  };
}
