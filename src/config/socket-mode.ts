/** `socketMode`: who may connect to a unix socket, as permissions of its file. */
import { isAbstract, type Place } from "../base/address.ts";
import { maybe, parsed } from "./fields.ts";

export function socketModeField(byDefault: string) {
  const help = `Of a \`unix:///path\`: permissions of the socket's file, such as \`"0660"\` for this user and its group. Left out: ${byDefault}.`;
  return maybe(parsed("permissions such as 0660", parseMode, help));
}

/** What is wrong with a mode for a socket there; undefined when nothing is. */
export function socketModeProblem(mode: number | undefined, place: Place, url: string): string | undefined {
  if (mode === undefined || (place.kind === "unix" && !isAbstract(place))) return undefined;
  return `socketMode needs a unix:///path, which is a file: ${url} has no permissions`;
}

function parseMode(text: string): number {
  if (/^0?[0-7]{3}$/.test(text)) return Number.parseInt(text, 8);
  throw new Error("expected permissions such as 0660: three digits from 0 to 7");
}
