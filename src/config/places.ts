/** Where a node is to listen, for links, clients and its admin API: which of these places exclude each other. */
import { isIP } from "node:net";
import { isAbstract, type Place } from "../base/address.ts";

export interface ListeningPlace {
  /** Of the URL, in the configuration. */
  readonly path: readonly (string | number)[];
  readonly url: string;
  readonly place: Place;
  readonly datagrams: boolean;
}

/** The part of a resolved configuration that is looked at. */
interface Listening {
  readonly links: { readonly accept: readonly { readonly address: { readonly url: string; readonly place: Place } }[] };
  readonly listeners: readonly {
    readonly address: { readonly url: string; readonly place: Place; readonly protocol: string };
  }[];
  readonly admin?: { readonly address: { readonly url: string; readonly place: Place } } | undefined;
}

export function listeningPlaces({ links, listeners, admin }: Listening): ListeningPlace[] {
  const place = (
    path: readonly (string | number)[],
    { url, place: at }: { readonly url: string; readonly place: Place },
    datagrams = false,
  ): ListeningPlace => ({ path, url, place: at, datagrams });
  return [
    ...links.accept.map(({ address }, index) => place(["links", "accept", index, "url"], address)),
    ...listeners.map(({ address }, index) => place(["listeners", index, "url"], address, address.protocol === "udp")),
    ...(admin === undefined ? [] : [place(["admin", "url"], admin.address)]),
  ];
}

/** Of each two that the system would not let listen at once, a problem at the later one. */
export function placeCollisions(
  places: readonly ListeningPlace[],
): { readonly path: (string | number)[]; readonly message: string }[] {
  return places.flatMap((later, index) => {
    const earlier = places.slice(0, index).find((other) => collides(other, later));
    if (earlier === undefined) return [];
    const message = `${later.url} cannot be listened at: ${nameOf(earlier.path)} takes it already (${earlier.url})`;
    return [{ path: [...later.path], message }];
  });
}

/** `listeners[1]`, as messages name it. */
function nameOf(path: readonly (string | number)[]): string {
  return path
    .slice(0, -1)
    .map((part, index) => (typeof part === "number" ? `[${part}]` : index === 0 ? part : `.${part}`))
    .join("");
}

function collides(one: ListeningPlace, other: ListeningPlace): boolean {
  if (one.datagrams !== other.datagrams) return false;
  const [left, right] = [one.place, other.place];
  if (left.kind === "unix" || right.kind === "unix") {
    return left.kind === "unix" && right.kind === "unix" && left.path === right.path;
  }
  // Port 0 is another one each time.
  if (left.port !== right.port || left.port === 0) return false;
  if (left.host === right.host) return true;
  return covers(left.host, right.host) || covers(right.host, left.host);
}

/** What listens on every interface of a family takes the port from each; `::` and an empty host take IPv4 as well. */
function covers(every: string, host: string): boolean {
  if (every === "" || every === "::") return true;
  return every === "0.0.0.0" && isIP(host) !== 6;
}

/** The path of the file that a unix socket at this place makes; undefined where there is none. */
export function socketFile({ place }: ListeningPlace): string | undefined {
  return place.kind === "unix" && !isAbstract(place) ? place.path : undefined;
}
