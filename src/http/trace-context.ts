/** W3C Trace Context: which `traceparent` and `tracestate` may travel on, and how a new trace begins. */
import type { RequestHead } from "./request-head.ts";

/** The request's traceparent if it brought exactly one that is valid, else the empty string. */
export function traceparentOf(head: RequestHead): string {
  if (!head.hasTraceFields) return "";
  const value = head.header("traceparent") ?? "";
  return isTraceparent(value) ? value : "";
}

/** Version 00 is all that it may be; later versions may say more behind it. Several lines, joined by commas, are none. */
export function isTraceparent(value: string): boolean {
  const match = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-[!-+\--~]*)?$/.exec(value);
  if (match === null || match[1] === "ff" || (match[1] === "00" && match[4] !== undefined)) return false;
  return !/^0+$/.test(match[2] ?? "") && !/^0+$/.test(match[3] ?? "");
}

const STATE_MEMBERS_MAX = 32;

/** Whether a tracestate, several lines joined by commas, is a list of `key=value` as its readers expect. */
export function isTracestate(value: string): boolean {
  const members = value.split(",", STATE_MEMBERS_MAX + 1);
  if (members.length > STATE_MEMBERS_MAX) return false;
  return members.every((member) => /^[ \t]*(?:[a-z0-9][a-z0-9_*/@-]{0,255}=[ -+\--<>-~]{1,256})?[ \t]*$/.test(member));
}

/**
 * The traceparent of a new trace. `random`: numbers from 0 to 1; the ids need to be different, not secret. Flags: sampled,
 * because apps that follow their parent would otherwise record nothing, and random.
 */
export function newTraceparent(random: () => number): string {
  // A part of it is never zero, so that neither id is.
  const trace = word(random) + word(random) + word(random) + nonZeroWord(random);
  return `00-${trace}-${word(random)}${nonZeroWord(random)}-03`;
}

const WORDS = 2 ** 32;

function word(random: () => number): string {
  return Math.floor(random() * WORDS)
    .toString(16)
    .padStart(8, "0");
}

function nonZeroWord(random: () => number): string {
  return (1 + Math.floor(random() * (WORDS - 1))).toString(16).padStart(8, "0");
}
