import { checkServiceName } from "../base/argument.ts";
import { messageOf, PolarityError } from "../base/errors.ts";
import type { FanOutPolicy } from "../base/fan-out-policy.ts";
import type { StreamProtocol } from "../base/upstream.ts";

/** One node's announcement, over one link, that it serves a service. */
export interface Announcement {
  readonly service: string;
  /** Share of new streams relative to other offers; 1 to 1000. */
  readonly weight: number;
  readonly protocol: StreamProtocol;
  readonly labels: Readonly<Record<string, string>>;
  readonly health: "up" | "down";
  /** It is found by its path, or by its domain and path, and not by a part of a host's name. */
  readonly byPath?: boolean;
  /** Each session is with every node that offers the service; undefined: with one of them. */
  readonly fanOut?: FanOutPolicy | undefined;
}

/** A node on the way to an app. */
export interface Hop {
  readonly node: string;
  readonly instance: string;
}

/** What an offer that leads on to another node says besides: who is passed behind its sender, the one that serves last. */
export interface OnwardPath {
  readonly hops: readonly Hop[];
  /** Of the links between them, together. */
  readonly cost: number;
}

export const WEIGHT_MAX = 1000;
/** Labels are kept for as long as the offer is; without a limit each could fill a control line. */
export const LABEL_CHARACTERS_MAX = 1024;

const PROTOCOLS: ReadonlySet<string> = new Set<StreamProtocol>(["tcp", "http/1.1", "udp"]);

/** What is wrong with an announcement, wherever it came from; undefined when nothing is. */
export function checkAnnouncement(announcement: Announcement): PolarityError | undefined {
  const { service, weight, protocol, labels } = announcement;
  try {
    checkServiceName(service);
  } catch (error) {
    return new PolarityError("LINK_PROTOCOL", messageOf(error), error);
  }
  if (!Number.isInteger(weight) || weight < 1 || weight > WEIGHT_MAX) {
    return new PolarityError("LINK_PROTOCOL", `service "${service}" has weight ${weight}, not 1 to ${WEIGHT_MAX}`);
  }
  if (!PROTOCOLS.has(protocol)) {
    return new PolarityError("LINK_PROTOCOL", `service "${service}" has the unknown protocol "${protocol}"`);
  }
  if (labelCharacters(labels) > LABEL_CHARACTERS_MAX) {
    const limit = `${LABEL_CHARACTERS_MAX} characters`;
    return new PolarityError("LINK_LIMIT", `the labels of service "${service}" are longer than ${limit}`);
  }
  return undefined;
}

function labelCharacters(labels: Readonly<Record<string, string>>): number {
  return Object.entries(labels).reduce((sum, [name, value]) => sum + name.length + value.length, 0);
}
