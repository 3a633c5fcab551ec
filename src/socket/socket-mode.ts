/** Permissions of a unix socket's file, from the moment in which it is there. */
import { chmodSync } from "node:fs";
import { isAbstract, type Place } from "../base/address.ts";

/** `listen` makes the socket's file within the call. Undefined leaves its permissions to the umask. */
export function listenWithMode(place: Place, mode: number | undefined, listen: () => void): void {
  if (mode === undefined || place.kind !== "unix" || isAbstract(place)) {
    listen();
    return;
  }
  // Set afterwards, it would be open to others for a moment.
  const umask = process.umask(0o777 & ~mode);
  try {
    listen();
  } finally {
    process.umask(umask);
  }
}

/** The same for a socket that is there. */
export function changeSocketMode(place: Place, mode: number | undefined): void {
  if (mode !== undefined && place.kind === "unix" && !isAbstract(place)) chmodSync(place.path, mode);
}
