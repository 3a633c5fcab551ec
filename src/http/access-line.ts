/**
 * Lines of an access log: one for each request or raw session, as JSON or in the combined format of web servers.
 *
 * Clients choose most of what stands in them. A line is printable ASCII whatever they choose, with one line feed at its end;
 * everything else is escaped, and what is long is cut, so that a line is at most some tens of kilobytes.
 */

export interface AccessEntry {
  /** When it began; milliseconds since 1970. */
  readonly time: number;
  /** The client's address, as trusted proxies tell it; empty on a unix socket. */
  readonly client: string;
  /** Who the connection is from, as `address:port`; empty on a unix socket. */
  readonly peer: string;
  /** The listener's URL. */
  readonly listener: string;
  /** `HTTP/1.1`, `HTTP/2`, `tcp`. */
  readonly protocol: string;
  /** These four are empty where there was no readable head. */
  readonly method: string;
  readonly host: string;
  readonly path: string;
  readonly referer: string;
  readonly userAgent: string;
  /** As the client saw it; 0 for none. */
  readonly status: number;
  /** Of the bodies, or of a raw session. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Empty where none was found. */
  readonly service: string;
  readonly node: string;
  /** Offers that the request was sent to. */
  readonly attempts: number;
  readonly requestId: string;
  /** Why it failed: a code; empty if it did not. */
  readonly error: string;
  /** How long each phase took, in milliseconds; -1 where it was not reached. */
  readonly headMs: number;
  readonly offerMs: number;
  readonly firstByteMs: number;
  readonly responseMs: number;
  readonly totalMs: number;
}

export type QueryPolicy = "keep" | "redact";

/** One JSON object; every entry has every key, and null stands for what there is not. */
export function jsonLine(entry: AccessEntry, query: QueryPolicy): string {
  return (
    `{"time":"${isoTime(entry.time)}","client":${json(entry.client)},"peer":${json(entry.peer)}` +
    `,"listener":${json(entry.listener)},"protocol":${json(entry.protocol)},"method":${json(entry.method)}` +
    `,"host":${json(entry.host)},"path":${json(target(entry.path, query))}` +
    `,"status":${entry.status === 0 ? "null" : entry.status},"bytesIn":${entry.bytesIn},"bytesOut":${entry.bytesOut}` +
    `,"referer":${json(target(entry.referer, query))},"userAgent":${json(entry.userAgent)}` +
    `,"service":${json(entry.service)},"node":${json(entry.node)},"attempts":${entry.attempts}` +
    `,"requestId":${json(entry.requestId)},"error":${json(entry.error)},"headMs":${duration(entry.headMs)}` +
    `,"offerMs":${duration(entry.offerMs)},"firstByteMs":${duration(entry.firstByteMs)}` +
    `,"responseMs":${duration(entry.responseMs)},"totalMs":${duration(entry.totalMs)}}\n`
  );
}

/** `client - - [time] "request" status bytes "referer" "user agent"`, as log analyzers read it. */
export function combinedLine(entry: AccessEntry, query: QueryPolicy): string {
  const request = entry.method === "" ? "-" : `${entry.method} ${target(entry.path, query)} ${entry.protocol}`;
  return (
    `${entry.client === "" ? "-" : escaped(entry.client, hex)} - - [${commonTime(entry.time)}] ${quoted(request)}` +
    ` ${entry.status === 0 ? "-" : entry.status} ${entry.bytesOut} ${quoted(target(entry.referer, query))} ${quoted(entry.userAgent)}\n`
  );
}

/**
 * A path or URL without the values of its query, which is where passwords and tokens stand, and without what stands before
 * an `@` in its authority. Names stay, so that requests can still be told apart.
 */
export function redacted(url: string): string {
  const start = url.indexOf("?");
  const address = (start < 0 ? url : url.slice(0, start)).replace(/^([A-Za-z][A-Za-z0-9+.-]*:)?\/\/[^/]*@/, "$1//*@");
  if (start < 0) return address;
  const names = url.slice(start + 1).split(/[&;]/, QUERY_NAMES_MAX);
  const shown = names.map((item) => {
    const equals = item.indexOf("=");
    // A word without a value may well be one.
    return equals < 0 ? (item === "" ? "" : "*") : `${item.slice(0, equals)}=*`;
  });
  return `${address}?${shown.join("&")}`;
}

const QUERY_NAMES_MAX = 64;
/** Longer fields are cut: a line is for reading, and memory is for many. */
const FIELD_CHARACTERS_MAX = 2048;

function target(url: string, query: QueryPolicy): string {
  return query === "keep" || (!url.includes("?") && !url.includes("@")) ? url : redacted(url);
}

function json(text: string): string {
  return text === "" ? "null" : `"${escaped(text, unicode)}"`;
}

function quoted(text: string): string {
  return text === "" ? '"-"' : `"${escaped(text, hex)}"`;
}

function escaped(text: string, escape: (character: string) => string): string {
  const short = text.length > FIELD_CHARACTERS_MAX ? `${text.slice(0, FIELD_CHARACTERS_MAX)}...` : text;
  return PLAIN.test(short) ? short : short.replace(SPECIAL, escape);
}

/** Printable ASCII without quote and backslash. */
const PLAIN = /^[ !#-[\]-~]*$/;
const SPECIAL = /[^ !#-[\]-~]/g;

function unicode(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** As Apache and nginx write them. What is beyond a byte cannot come from a head. */
function hex(character: string): string {
  const code = character.charCodeAt(0);
  return code > 0xff ? "?" : `\\x${code.toString(16).toUpperCase().padStart(2, "0")}`;
}

/** Milliseconds to the microsecond. */
function duration(ms: number): string {
  if (ms < 0) return "null";
  // Whole numbers become text several times as fast as fractions do.
  const us = Math.round(ms * 1000);
  const rest = us % 1000;
  return rest === 0 ? String(us / 1000) : `${Math.floor(us / 1000)}.${String(rest).padStart(3, "0")}`;
}

let isoSecond = -1;
let isoStart = "";

/** The text of a second serves all that begin in it. */
function isoTime(time: number): string {
  const second = Math.floor(time / 1000);
  if (second !== isoSecond) {
    isoSecond = second;
    isoStart = new Date(second * 1000).toISOString().slice(0, 20);
  }
  return `${isoStart}${String(Math.floor(time - second * 1000)).padStart(3, "0")}Z`;
}

let commonSecond = -1;
let commonText = "";

/** `10/Oct/2000:13:55:36 +0000`. */
function commonTime(time: number): string {
  const second = Math.floor(time / 1000);
  if (second !== commonSecond) {
    commonSecond = second;
    // `Tue, 10 Oct 2000 13:55:36 GMT`
    const [, day = "", month = "", year = "", clock = ""] = new Date(second * 1000).toUTCString().split(" ");
    commonText = `${day}/${month}/${year}:${clock} +0000`;
  }
  return commonText;
}
