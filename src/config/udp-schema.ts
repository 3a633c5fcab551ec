/** What is said of datagrams: at a listener, and of a service's targets. */
import type { ListenerAddress, TargetAddress } from "../base/address.ts";
import { choice, duration, integer, section, size } from "./fields.ts";

/** What may wait, on either side. */
function queueKeys(what: string) {
  return {
    queue: size({
      min: "1KiB",
      max: "64MiB",
      byDefault: "256KiB",
      help: `What may wait of one association ${what}; further datagrams are dropped. Stops slow ways filling memory.`,
    }),
    queueDatagrams: integer(
      1,
      1_000_000,
      512,
      "The same as a number of datagrams. Stops small ones costing more than their bytes.",
    ),
  };
}

export function listenerUdpSection() {
  return section({
    idleTimeout: duration({
      min: "100ms",
      max: "24h",
      byDefault: "60s",
      help: "How long nothing may pass of an association, either way, before it is over. The client's next datagram begins another.",
    }),
    unansweredTimeout: duration({
      min: "100ms",
      max: "24h",
      byDefault: "30s",
      help: "The same while the client has not been answered: there may be nobody at its address.",
    }),
    associations: integer(
      1,
      1_000_000,
      8192,
      "Client addresses and ports at once; datagrams of others are dropped. Each takes a stream of a link and a descriptor of its app's node, so stay below `limits.streams` and what that node has. Stops made-up addresses taking all of them.",
    ),
    associationsPerClient: integer(
      0,
      1_000_000,
      2048,
      "Ports of one client address (of IPv6, of one /64 network) at once. 0: no limit. Stops one client taking all associations.",
    ),
    amplification: integer(
      0,
      1_000_000,
      20,
      "How many times as large as what a client sent its answers may be, headers included, until it has shown that it is there; what is more is dropped. 0: no limit. Stops the service being aimed at others with their address.",
    ),
    amplificationTurns: integer(
      0,
      1000,
      3,
      "How often a client has to go on after an answer to have shown that. 0: the limit stays for good, which suits questions and answers, such as DNS.",
    ),
    ...queueKeys("that the way to its app does not take"),
    queueTotal: size({
      min: "64KiB",
      max: "16GiB",
      byDefault: "64MiB",
      help: "What may wait of all associations together. Stops many slow ways filling memory.",
    }),
  })
    .transform(({ idleTimeout, unansweredTimeout, associations, associationsPerClient, ...rest }) => ({
      idleTimeoutMs: idleTimeout,
      unansweredTimeoutMs: unansweredTimeout,
      associationsMax: associations,
      associationsPerClientMax: associationsPerClient,
      amplification: { factor: rest.amplification, turns: rest.amplificationTurns },
      queue: { bytes: rest.queue, datagrams: rest.queueDatagrams },
      queueTotalBytes: rest.queueTotal,
    }))
    .describe(
      "For `udp://`: how long a client's datagrams belong together, how many clients there may be, and what they may be answered.",
    );
}

export const DEFAULT_LISTENER_UDP = Object.freeze(listenerUdpSection().parse({}));

export function serviceUdpSection() {
  return section({
    idleTimeout: duration({
      min: "100ms",
      max: "24h",
      byDefault: "10m",
      help: "How long nothing may pass of an association before its socket to the app is closed, should the listener's node not have ended it.",
    }),
    replies: choice(
      ["same-port", "any-port"],
      "Where the app answers from: the port that it is asked at, or another port of its address, as TFTP servers do; the client's further datagrams then go there.",
    ).default("same-port"),
    ...queueKeys("on its way back that the link does not take, or until the app's address is found"),
  })
    .transform(({ idleTimeout, replies, queue, queueDatagrams }) => ({
      idleTimeoutMs: idleTimeout,
      anyPort: replies === "any-port",
      queue: { bytes: queue, datagrams: queueDatagrams },
    }))
    .describe("For `udp://` targets.");
}

export const DEFAULT_SERVICE_UDP = Object.freeze(serviceUdpSection().parse({}));

interface ListenerOfService {
  readonly address: ListenerAddress;
  readonly service: string | undefined;
  readonly node: string | undefined;
  readonly routes: readonly { readonly service: string }[];
}

/** Listeners whose service this node serves itself as datagrams, and they do not, or the other way round. */
export function datagramMismatches(
  listeners: readonly ListenerOfService[],
  services: readonly { readonly name: string; readonly target: TargetAddress }[],
): { readonly path: (string | number)[]; readonly message: string }[] {
  const targets = new Map(services.map(({ name, target }) => [name, target]));
  return listeners.flatMap(({ address, service, node, routes }, index) => {
    // Of another node it may be another kind.
    if (node !== undefined) return [];
    const wanted = [
      ...(service === undefined ? [] : [{ service, path: ["service"] }]),
      ...routes.map((route, at) => ({ service: route.service, path: ["routes", at, "service"] })),
    ];
    return wanted.flatMap(({ service: name, path }) => {
      const target = targets.get(name);
      if (target === undefined || (target.protocol === "udp") === (address.protocol === "udp")) return [];
      const message = `${address.url} cannot lead to service "${name}" at ${target.url}: one is datagrams and the other is not`;
      return [{ path: ["listeners", index, ...path], message }];
    });
  });
}
