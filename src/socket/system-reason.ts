/** Why a place could not be reached, for people: the system's codes for it say neither which folder nor what to do. */
import { accessSync, constants, statSync } from "node:fs";
import { dirname } from "node:path";
import type { Place } from "../base/address.ts";
import { messageOf } from "../base/errors.ts";
import { serverTlsReason } from "./tls-settings.ts";

/** Looks at the file system where the failure is of a unix socket; only failures pay for it. */
export function systemReason(error: unknown): string {
  const text = serverTlsReason(error);
  if (!(error instanceof Error) || !("code" in error)) return text;
  const path = "address" in error ? error.address : undefined;
  if (typeof path !== "string" || !path.startsWith("/")) return text;
  const why = unixReason(String(error.code), path);
  return why === undefined ? text : `${text}: ${why}`;
}

function unixReason(code: string, path: string): string | undefined {
  switch (code) {
    case "ENOENT":
      return missingFolder(path) ?? `there is no socket ${path}; whoever listens there has not started, or ended`;
    case "EACCES":
    case "EPERM":
      return closedFolder(path) ?? `this user may not use the socket ${path}; its owner can change its mode`;
    case "ECONNREFUSED":
      return `nobody listens at ${path}; whoever did has ended`;
    default:
      return undefined;
  }
}

/** Why nothing can listen at `place`. */
export function listenReason(error: unknown, place: Place): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "EADDRINUSE") return "something else listens there";
  if (place.kind === "unix") {
    if (code !== "EACCES" && code !== "ENOENT") return messageOf(error);
    // The system's library says EACCES of a folder that is not there, too.
    const folder = dirname(place.path);
    return missingFolder(place.path) ?? closedFolder(place.path) ?? `this user may not make a file in ${folder}`;
  }
  if (code === "EADDRNOTAVAIL") return `${place.host} is no address of this machine`;
  if (code === "EACCES") return `this user may not listen on port ${place.port}; take one from 1024 on, or let it`;
  return messageOf(error);
}

/** The first folder on the way that is not there. */
export function missingFolder(path: string): string | undefined {
  const missing = foldersOf(path).find((folder) => !exists(folder));
  return missing === undefined ? undefined : `the folder ${missing} does not exist`;
}

/** The first folder on the way that this user may not pass through. */
function closedFolder(path: string): string | undefined {
  const closed = foldersOf(path).find((folder) => exists(folder) && !isOpen(folder));
  return closed === undefined ? undefined : `this user may not enter the folder ${closed}`;
}

/** From the root down, without the file itself. */
function foldersOf(path: string): string[] {
  const folders: string[] = [];
  for (let folder = dirname(path); folder !== dirname(folder); folder = dirname(folder)) folders.unshift(folder);
  return folders;
}

function exists(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    // It cannot be looked at, which is another matter than not being there.
    return true;
  }
}

function isOpen(folder: string): boolean {
  try {
    accessSync(folder, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
