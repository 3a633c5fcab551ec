/** A socket to a place, whatever kind it is: connecting when it is returned, and to be written to at once. */
import { connect, type NetConnectOpts, type Socket } from "node:net";
import type { Place } from "../base/address.ts";
import { canRace, isAddress, RACING, raceInto } from "./connection-race.ts";
import type { NameResolver } from "./name-resolver.ts";

/** What is asked of the socket beside where it goes. */
export type SocketOptions = Omit<NetConnectOpts, "host" | "port" | "path" | "lookup" | "family">;

/** A name with several destinations is connected to the first that accepts. */
export function connectPlace(place: Place, names: NameResolver, options: SocketOptions): Socket {
  if (place.kind === "unix") return connect({ ...options, path: place.path });
  const { host, port } = place;
  if (!needsRace(place)) return connect({ ...options, host, port, autoSelectFamily: true });
  const socket = connect({ ...options, host, port, ...RACING });
  raceInto(socket, names.destinations(place));
  return socket;
}

/** Whether it takes asking to find out where a place is. */
export function needsRace(place: Place): place is Place & { readonly kind: "tcp" } {
  return place.kind === "tcp" && (place.records !== undefined || (canRace && !isAddress(place.host)));
}
