/**
 * The one schema of a node's configuration.
 *
 * It gives the types (`node-config.ts`), validation, defaults and bounds of the YAML file, of the flags (which are turned
 * into the same shape), the JSON Schema and the reference in docs/CONFIG.md. Parsing resolves: durations become
 * milliseconds, sizes bytes, URLs addresses, and files their text.
 */
import { z } from "zod";
import { isLocalPlace, parseListenerAddress } from "../base/address.ts";
import type { ReadFile } from "./fields.ts";
import { choice, duration, integer, maybe, nodeName, parsed, secretFile, section, size } from "./fields.ts";
import { linksSection } from "./links-schema.ts";
import { listenersSection } from "./listeners-schema.ts";
import { servicesSection } from "./services-schema.ts";

/** Resolves the raw shape of a configuration; `read` fetches the files that it names. */
export function createConfigSchema(read: ReadFile) {
  return section({
    node: nodeSection(),
    links: linksSection(read),
    services: servicesSection(),
    listeners: listenersSection(),
    admin: maybe(adminSection(read)).describe("The admin API, health and metrics. Left out: none."),
    limits: limitsSection(),
    log: logSection(),
    cluster: z
      .never({ error: "not supported yet: leave the cluster section out" })
      .optional()
      .transform(() => undefined)
      .meta({ polarityHidden: true }),
  }).transform(({ node, links, services, listeners, admin, limits, log }) => ({
    node,
    links,
    services,
    listeners,
    admin,
    limits,
    log,
  }));
}

function nodeSection() {
  return section({
    name: maybe(
      nodeName(
        "The node's name: how others reach its services (`name.service`), and what logs call it. By default the host's name.",
      ),
    ),
    drainTimeout: duration({
      min: "0s",
      max: "24h",
      byDefault: "30s",
      help: "How long a stopping node waits for work under way before it cuts it off.",
    }),
  })
    .transform(({ name, drainTimeout }) => ({ name, drainTimeoutMs: drainTimeout }))
    .prefault({})
    .describe("Who this node is.");
}

function adminSection(read: ReadFile) {
  return section({
    url: parsed(
      "a URL such as http://127.0.0.1:8088",
      checkAdminAddress,
      "Where the admin API listens: `http://HOST:PORT` or `unix:///path`.",
    ),
    tokenFile: maybe(
      secretFile(read, "A file that holds the bearer token of the admin API. Needed beyond this machine."),
    ),
  }).transform(({ url, tokenFile }, context) => {
    if (tokenFile === undefined && !isLocalPlace(url.place)) {
      const message = `${url.url} is reachable beyond this machine: set tokenFile`;
      context.issues.push({ code: "custom", input: undefined, message });
    }
    return { address: url, token: tokenFile };
  });
}

function limitsSection() {
  return section({
    memory: size({
      min: "1MiB",
      max: "64GiB",
      byDefault: "96MiB",
      help: "What the receive windows of all streams of this node may add up to.",
    }),
    window: size({
      min: "256KiB",
      max: "256MiB",
      byDefault: "16MiB",
      help: "What the receive window of one stream may grow to.",
    }),
    streams: integer(1, 1_000_000, 65_536, "Open streams on one link."),
    unacceptedStreams: integer(
      1,
      65_536,
      1024,
      "Streams that the peer opened and this node has not answered yet, on one link.",
    ),
    resets: integer(10, 1_000_000, 2000, "Resets a second that a peer may send on one link (the rapid-reset attack)."),
    offers: integer(1, 100_000, 4096, "Services that a peer may offer over one link."),
    links: integer(1, 100_000, 4096, "Links that others may have open to this node."),
    handshakes: integer(1, 65_536, 512, "Connections that have not finished the handshake yet."),
    handshakeTimeout: duration({
      min: "100ms",
      max: "5m",
      byDefault: "10s",
      help: "How long a link's handshake may take.",
    }),
    pingInterval: duration({
      min: "100ms",
      max: "1h",
      byDefault: "5s",
      help: "How often an idle link is asked for a sign of life.",
    }),
    suspectAfter: duration({
      min: "100ms",
      max: "1h",
      byDefault: "1s",
      help: "Silence, while something is owed, after which a link gets no new streams.",
    }),
    deadAfter: duration({ min: "500ms", max: "1h", byDefault: "15s", help: "Silence after which a link is given up." }),
  })
    .transform((limits) => ({
      memoryBytes: limits.memory,
      windowBytesMax: limits.window,
      streamsPerLinkMax: limits.streams,
      unacceptedStreamsMax: limits.unacceptedStreams,
      resetsPerSecondMax: limits.resets,
      offersPerLinkMax: limits.offers,
      linksMax: limits.links,
      handshakesMax: limits.handshakes,
      handshakeTimeoutMs: limits.handshakeTimeout,
      pingIntervalMs: limits.pingInterval,
      suspectAfterMs: limits.suspectAfter,
      deadAfterMs: limits.deadAfter,
    }))
    .prefault({})
    .describe("What peers may ask of this node.");
}

function logSection() {
  return section({
    level: choice(["debug", "info", "warn", "error"], "The least important message that is written.").default("info"),
    format: choice(["auto", "pretty", "json"], "`auto` is pretty on a terminal and JSON elsewhere.").default("auto"),
  })
    .prefault({})
    .describe("Logs, written to standard error.");
}

function checkAdminAddress(value: string) {
  const address = parseListenerAddress(value);
  if (address.scheme === "tcp") throw new Error(`expected a URL such as http://127.0.0.1:8088, not ${value}`);
  return address;
}
