/**
 * The JSON objects of a link's control stream: checked when read, in order and within bounds when written.
 *
 * Pure. What this version does not know (types, fields, protocols of an offer) is passed over; what it knows and is wrong
 * is a `LINK_PROTOCOL` error that says which field. A value from the peer never leaves here unchecked, and nothing here looks
 * into one deeper than it expects something.
 */
import { describeJson, parseJson } from "../base/bounded-json.ts";
import { asciiJson, type StreamProtocol } from "../base/upstream.ts";
import { messageOf, PolarityError } from "../base/errors.ts";
import { DEFAULT_FAN_OUT, FAN_OUT_BUFFER_BYTES_MAX, FAN_OUT_MODES, type FanOutPolicy } from "../base/fan-out-policy.ts";
import type { Announcement, Hop, OnwardPath } from "../registry/announcement.ts";
import {
  COST_MAX,
  FEATURES_MAX,
  HOPS_MAX,
  LABEL_KEY_LENGTH_MAX,
  LABEL_VALUE_LENGTH_MAX,
  LABELS_MAX,
  MESSAGE_LENGTH_MAX,
  NAME_LENGTH_MAX,
  ROUTERS_MAX,
  TOKEN_LENGTH_MAX,
  URL_LENGTH_MAX,
  WEIGHT_MAX,
} from "./link-limits.ts";
import { TOLD_LIMIT_FIELDS, type ToldLimits, UNTOLD_LIMITS } from "./told-limits.ts";

export const PROTOCOL_VERSION = 1;

export interface Hello {
  readonly type: "hello";
  readonly protocol: number;
  readonly node: string;
  readonly instance: string;
  readonly token: string | undefined;
  readonly cost: number;
  readonly offers: readonly Announcement[];
  readonly features: readonly string[];
  readonly limits: ToldLimits;
}

export interface Welcome {
  readonly type: "welcome";
  readonly node: string;
  readonly instance: string;
  readonly offers: readonly Announcement[];
  readonly features: readonly string[];
  readonly limits: ToldLimits;
  /** URLs of other routers worth linking to. */
  readonly routers: readonly string[];
}

export interface Reject {
  readonly type: "reject";
  readonly code: string;
  readonly message: string;
}

export interface Offer {
  readonly type: "offer";
  readonly announcement: Announcement;
  /** How it leads on to another node; undefined when it is the sender's own. */
  readonly onward: OnwardPath | undefined;
}

export interface Withdraw {
  readonly type: "withdraw";
  readonly service: string;
  /** The instance that serves, of an offer that leads on to it. */
  readonly origin: string | undefined;
}

/** The dialler's: what the link costs from now on. */
export interface Cost {
  readonly type: "cost";
  readonly cost: number;
}

/** The acceptor's: which other routers are worth joining from now on. */
export interface Routers {
  readonly type: "routers";
  readonly routers: readonly string[];
}

export interface Drain {
  readonly type: "drain";
}

export interface ErrorNotice {
  readonly type: "error";
  readonly code: string;
  readonly message: string;
  /** The stream that is refused; undefined when the error is the link's. */
  readonly stream: number | undefined;
}

/** Somebody serves a stream whose opener asked for this. */
export interface Opened {
  readonly type: "opened";
  readonly stream: number;
}

export type ControlMessage =
  | Hello
  | Welcome
  | Reject
  | Offer
  | Withdraw
  | Cost
  | Routers
  | Drain
  | ErrorNotice
  | Opened;

/** Reads one line. Undefined: nothing that this version knows. Throws `LINK_PROTOCOL`. */
export function parseControlMessage(line: string): ControlMessage | undefined {
  let value: unknown;
  try {
    value = parseJson(line);
  } catch (error) {
    throw new PolarityError("LINK_PROTOCOL", `a control line cannot be read: ${messageOf(error)}`);
  }
  if (!isFields(value)) throw new PolarityError("LINK_PROTOCOL", "a control line is not a JSON object");
  const reader = READERS.get(value["type"]);
  return reader?.(value);
}

/** One line, newline included, in ASCII. Fields that are undefined are left out. */
export function formatControlMessage(type: string, fields: Fields): string {
  return `${asciiJson({ type, ...fields })}\n`;
}

/** An announcement as it goes on the wire. */
export function announcementFields(announcement: Announcement): Fields {
  const { service, weight, protocol, labels, health, fanOut, byPath } = announcement;
  const naming = byPath === true ? { byPath } : undefined;
  return { service, weight, protocol, labels, health, ...naming, ...(fanOut && fanOutFields(fanOut)) };
}

/** What an offer says besides when it leads on. */
export function onwardFields({ hops, cost }: OnwardPath): Fields {
  return { path: hops.map(({ node, instance }) => ({ node, instance })), cost };
}

type Fields = Readonly<Record<string, unknown>>;

const READERS: ReadonlyMap<unknown, (fields: Fields) => ControlMessage | undefined> = new Map<
  unknown,
  (fields: Fields) => ControlMessage | undefined
>([
  ["hello", readHello],
  ["welcome", readWelcome],
  ["reject", readReject],
  ["offer", readOffer],
  ["withdraw", readWithdraw],
  ["cost", readCost],
  ["routers", readRouters],
  ["drain", readDrain],
  ["error", readError],
  ["opened", readOpened],
]);

function readHello(fields: Fields): Hello {
  return {
    type: "hello",
    protocol: number(fields, "protocol", 1, Number.MAX_SAFE_INTEGER),
    node: name(fields, "node"),
    instance: name(fields, "instance"),
    token: fields["token"] === undefined ? undefined : text(fields, "token", TOKEN_LENGTH_MAX),
    cost: fields["cost"] === undefined ? 0 : number(fields, "cost", 0, COST_MAX),
    offers: announcements(fields),
    features: texts(fields, "features", FEATURES_MAX, NAME_LENGTH_MAX),
    limits: limits(fields),
  };
}

function readWelcome(fields: Fields): Welcome {
  return {
    type: "welcome",
    node: name(fields, "node"),
    instance: name(fields, "instance"),
    offers: announcements(fields),
    features: texts(fields, "features", FEATURES_MAX, NAME_LENGTH_MAX),
    limits: limits(fields),
    routers: texts(fields, "routers", ROUTERS_MAX, URL_LENGTH_MAX),
  };
}

function readReject(fields: Fields): Reject {
  return { type: "reject", code: text(fields, "code", NAME_LENGTH_MAX), message: message(fields) };
}

function readOffer(fields: Fields): Offer | undefined {
  const announcement = readAnnouncement(fields);
  if (announcement === undefined) return undefined;
  const onward = readOnward(fields);
  // Nodes have names, and so have their services: only routers know of others, and pass them on.
  const byPath = onward !== undefined && fields["byPath"] === true;
  return { type: "offer", announcement: byPath ? { ...announcement, byPath } : announcement, onward };
}

function readOnward(fields: Fields): OnwardPath | undefined {
  const value = fields["path"];
  if (value === undefined) return undefined;
  if (!Array.isArray(value) || value.length === 0 || value.length > HOPS_MAX) {
    throw wrong("path", `a list of 1 to ${HOPS_MAX} nodes`, value);
  }
  const hops = value.map((item: unknown): Hop => {
    if (!isFields(item)) throw wrong("path", "a list of nodes", item);
    return { node: name(item, "node"), instance: name(item, "instance") };
  });
  return { hops, cost: fields["cost"] === undefined ? 0 : number(fields, "cost", 0, COST_MAX * HOPS_MAX) };
}

function readWithdraw(fields: Fields): Withdraw {
  const origin = fields["origin"] === undefined ? undefined : name(fields, "origin");
  return { type: "withdraw", service: name(fields, "service"), origin };
}

function readCost(fields: Fields): Cost {
  return { type: "cost", cost: number(fields, "cost", 0, COST_MAX) };
}

function readRouters(fields: Fields): Routers {
  return { type: "routers", routers: texts(fields, "routers", ROUTERS_MAX, URL_LENGTH_MAX) };
}

function readDrain(): Drain {
  return { type: "drain" };
}

function readError(fields: Fields): ErrorNotice {
  return {
    type: "error",
    code: text(fields, "code", NAME_LENGTH_MAX),
    message: message(fields),
    stream: fields["stream"] === undefined ? undefined : number(fields, "stream", 1, 0xffff_ffff),
  };
}

function readOpened(fields: Fields): Opened {
  return { type: "opened", stream: number(fields, "stream", 1, 0xffff_ffff) };
}

const PROTOCOLS: ReadonlySet<unknown> = new Set<StreamProtocol>(["tcp", "http/1.1", "udp"]);

/** Undefined for an offer in a protocol that this version does not know. */
function readAnnouncement(fields: Fields): Announcement | undefined {
  const service = name(fields, "service");
  const protocol = text(fields, "protocol", NAME_LENGTH_MAX);
  if (!PROTOCOLS.has(protocol)) return undefined;
  const health = fields["health"] ?? "up";
  if (health !== "up" && health !== "down") throw wrong("health", '"up" or "down"', health);
  return {
    service,
    weight: fields["weight"] === undefined ? 1 : number(fields, "weight", 1, WEIGHT_MAX),
    protocol: protocol as StreamProtocol,
    labels: labels(fields),
    health,
    ...fanOutOf(fields),
  };
}

function fanOutFields({ mode, slowest, bufferBytes, join }: FanOutPolicy): Fields {
  return { mode, slowest, buffer: bufferBytes, join };
}

/** Nothing for `one`, which is what an offer without a mode means, and for modes that this version does not know. */
function fanOutOf(fields: Fields): { readonly fanOut?: FanOutPolicy } {
  const mode = FAN_OUT_MODES.find((known) => known === fields["mode"]);
  if (mode === undefined) return {};
  const buffer = fields["buffer"];
  const bufferBytes =
    buffer === undefined ? DEFAULT_FAN_OUT.bufferBytes : number(fields, "buffer", 1024, FAN_OUT_BUFFER_BYTES_MAX);
  const slowest = fields["slowest"] === "drop" ? "drop" : DEFAULT_FAN_OUT.slowest;
  return { fanOut: { mode, slowest, bufferBytes, join: fields["join"] === true } };
}

function announcements(fields: Fields): readonly Announcement[] {
  const value = fields["offers"];
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw wrong("offers", "a list of offers", value);
  return value.flatMap((item: unknown) => {
    if (!isFields(item)) throw wrong("offers", "a list of offers", item);
    return readAnnouncement(item) ?? [];
  });
}

function limits(fields: Fields): ToldLimits {
  const value = fields["limits"];
  if (value === undefined) return UNTOLD_LIMITS;
  if (!isFields(value)) throw wrong("limits", "an object", value);
  const told = TOLD_LIMIT_FIELDS.filter((field) => value[field] !== undefined).map(
    (field) => [field, number(value, field, 1, Number.MAX_SAFE_INTEGER)] as const,
  );
  // Who tells of resets knows what counts and what does not.
  return { ...UNTOLD_LIMITS, ...Object.fromEntries(told), untold: value["resets"] === undefined };
}

function labels(fields: Fields): Readonly<Record<string, string>> {
  const value = fields["labels"];
  if (value === undefined) return {};
  if (!isFields(value)) throw wrong("labels", "an object of texts", value);
  const entries = Object.entries(value);
  if (entries.length > LABELS_MAX) throw wrong("labels", `at most ${LABELS_MAX} labels`, entries.length);
  for (const [key, label] of entries) {
    if (key === "" || key.length > LABEL_KEY_LENGTH_MAX) {
      throw wrong("labels", `keys of 1 to ${LABEL_KEY_LENGTH_MAX} characters`, key);
    }
    if (typeof label !== "string" || label.length > LABEL_VALUE_LENGTH_MAX) {
      throw wrong(`labels.${key}`, `a text of at most ${LABEL_VALUE_LENGTH_MAX} characters`, label);
    }
  }
  return Object.fromEntries(entries) as Record<string, string>;
}

// oxlint-disable-next-line no-control-regex
const CONTROL_CHARACTERS = /[\u0000-\u001f\u007f-\u009f]/;

/**
 * The name of a node, an instance or a service: any characters but controls, so that it cannot forge a log line, and no
 * halves of characters, which not every place that shows or sends a name can write.
 */
function name(fields: Fields, field: string): string {
  const value = text(fields, field, NAME_LENGTH_MAX);
  if (value === "" || CONTROL_CHARACTERS.test(value) || !value.isWellFormed()) {
    const expected = `a name of 1 to ${NAME_LENGTH_MAX} whole characters without control characters`;
    throw wrong(field, expected, value);
  }
  return value;
}

/** People's text from the peer: made harmless for logs rather than refused. */
function message(fields: Fields): string {
  const value = fields["message"];
  if (value === undefined) return "";
  if (typeof value !== "string") throw wrong("message", "a text", value);
  return value.slice(0, MESSAGE_LENGTH_MAX).toWellFormed().replaceAll(new RegExp(CONTROL_CHARACTERS, "g"), " ");
}

function text(fields: Fields, field: string, lengthMax: number): string {
  const value = fields[field];
  if (typeof value !== "string" || value.length > lengthMax) {
    throw wrong(field, `a text of at most ${lengthMax} characters`, value);
  }
  return value;
}

function texts(fields: Fields, field: string, countMax: number, lengthMax: number): readonly string[] {
  const value = fields[field];
  if (value === undefined) return [];
  const fits = (item: unknown): item is string => typeof item === "string" && item.length <= lengthMax;
  if (!Array.isArray(value) || value.length > countMax || !value.every(fits)) {
    throw wrong(field, `a list of at most ${countMax} texts of at most ${lengthMax} characters`, value);
  }
  return value;
}

function number(fields: Fields, field: string, least: number, most: number): number {
  const value = fields[field];
  if (typeof value !== "number" || !(value >= least && value <= most)) {
    throw wrong(field, `a number from ${least} to ${most}`, value);
  }
  return value;
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function wrong(field: string, expected: string, value: unknown): PolarityError {
  // A token is a secret even when it is malformed.
  const got = field === "token" ? "something else" : describeJson(value);
  return new PolarityError("LINK_PROTOCOL", `${field}: expected ${expected}, got ${got}`);
}
