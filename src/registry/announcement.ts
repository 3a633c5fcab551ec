import { PolarityError } from "../base/errors.ts";
import type { StreamProtocol } from "../base/upstream.ts";

/** One node's announcement, over one link, that it serves a service. */
export interface Announcement {
  readonly service: string;
  /** Share of new streams relative to other offers; 1 to 1000. */
  readonly weight: number;
  readonly protocol: StreamProtocol;
  readonly labels: Readonly<Record<string, string>>;
  readonly health: "up" | "down";
}

export const WEIGHT_MAX = 1000;
/** As long as a host name may be, since names are asked for by host. */
export const SERVICE_NAME_CHARACTERS_MAX = 255;
/** Labels are kept for as long as the offer is; without a limit each could fill a control line. */
export const LABEL_CHARACTERS_MAX = 1024;

const PROTOCOLS: ReadonlySet<string> = new Set<StreamProtocol>(["tcp", "http/1.1", "udp"]);

/** What is wrong with an announcement, wherever it came from; undefined when nothing is. */
export function checkAnnouncement(announcement: Announcement): PolarityError | undefined {
  const { service, weight, protocol, labels } = announcement;
  if (service === "") return new PolarityError("LINK_PROTOCOL", "an offer has an empty service name");
  if (service.length > SERVICE_NAME_CHARACTERS_MAX) {
    const limit = `${SERVICE_NAME_CHARACTERS_MAX} characters`;
    return new PolarityError("LINK_LIMIT", `service name "${service.slice(0, 32)}…" is longer than ${limit}`);
  }
  // Control characters would break log lines and metrics.
  if (/\p{Cc}/u.test(service)) {
    return new PolarityError("LINK_PROTOCOL", `service name ${JSON.stringify(service)} has control characters`);
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
