/**
 * The one schema of a node's configuration.
 *
 * It gives the types (`node-config.ts`), validation, defaults and bounds of the YAML file, of the flags (which are turned
 * into the same shape), the JSON Schema and the reference in docs/CONFIG.md. Parsing resolves: durations become
 * milliseconds, sizes bytes, URLs addresses, and files their text.
 */
import { z } from "zod";
import { isLocalPlace, parseListenerAddress } from "../base/address.ts";
import { ofThisSystem } from "../socket/abstract-socket.ts";
import { accessLogSection } from "./access-log-schema.ts";
import type { ReadFile } from "./fields.ts";
import { choice, duration, integer, maybe, nodeName, parsed, secretFile, section, size, text } from "./fields.ts";
import { analysisSection } from "./analyze-schema.ts";
import { HOPS_MAX } from "../link/link-limits.ts";
import { linksSection } from "./links-schema.ts";
import { listenersSection } from "./listeners-schema.ts";
import { resolverSection } from "./resolver-schema.ts";
import { socketModeField, socketModeProblem } from "./socket-mode.ts";
import { servicesSection } from "./services-schema.ts";
import { listeningPlaces, placeCollisions } from "./places.ts";
import { datagramMismatches } from "./udp-schema.ts";

/** Resolves the raw shape of a configuration; `read` fetches the files that it names. */
export function createConfigSchema(read: ReadFile) {
  return section({
    node: nodeSection(),
    links: linksSection(read),
    services: servicesSection(read),
    listeners: listenersSection(read),
    admin: maybe(adminSection(read)).describe("The admin API, health and metrics. Left out: none."),
    state: maybe(stateSection()).describe("What a node keeps over restarts. Left out: nothing."),
    limits: limitsSection(),
    log: logSection(),
    accessLog: maybe(accessLogSection("A line for each request of every listener, where they do not say otherwise.")),
    analysis: analysisSection(),
    resolver: resolverSection(),
    cluster: z
      .never({ error: "not supported yet: leave the cluster section out" })
      .optional()
      .transform(() => undefined)
      .meta({ polarityHidden: true }),
  }).transform((sections, context) => {
    const { cluster: _, ...config } = sections;
    const problems = [
      ...datagramMismatches(config.listeners, config.services),
      ...placeCollisions(listeningPlaces(config)),
    ];
    for (const { path, message } of problems) {
      context.issues.push({ code: "custom", input: undefined, path, message });
    }
    return config;
  });
}

function nodeSection() {
  return section({
    name: maybe(
      nodeName(
        "The node's name: how others reach its services (`name.service`), and what logs call it. By default the host's name.",
      ),
    ),
    readyTimeout: duration({
      min: "0s",
      max: "1h",
      byDefault: "10s",
      help: "How long a node that has just started answers 503 at `/readyz` while a service that its listeners name is offered by nobody yet.",
    }),
    drainDelay: duration({
      min: "0s",
      max: "1h",
      byDefault: "0s",
      help: "How long a stopping node goes on taking clients while `/readyz` already answers 503, so that balancers can turn away first.",
    }),
    drainTimeout: duration({
      min: "0s",
      max: "24h",
      byDefault: "30s",
      help: "How long a stopping node waits for work under way before it cuts it off. It begins after `drainDelay`.",
    }),
  })
    .transform(({ name, readyTimeout, drainDelay, drainTimeout }) => ({
      name,
      readyTimeoutMs: readyTimeout,
      drainDelayMs: drainDelay,
      drainTimeoutMs: drainTimeout,
    }))
    .prefault({})
    .describe("Who this node is.");
}

function adminSection(read: ReadFile) {
  return section({
    url: parsed(
      "a URL such as http://127.0.0.1:8088",
      checkAdminAddress,
      "Where the admin API listens: `http://HOST:PORT`, `unix:///path` or `unix:@name`.",
    ),
    socketMode: socketModeField('`"0600"`, this user only'),
    tokenFile: maybe(
      secretFile(read, "A file that holds the bearer token of the admin API. Needed beyond this machine."),
    ),
  }).transform(({ url, socketMode, tokenFile }, context) => {
    const useless = socketModeProblem(socketMode, url.place, url.url);
    if (useless !== undefined) {
      context.issues.push({ code: "custom", input: undefined, path: ["socketMode"], message: useless });
    }
    if (tokenFile === undefined && !isLocalPlace(url.place)) {
      const message = `${url.url} is reachable beyond this machine: set tokenFile`;
      context.issues.push({ code: "custom", input: undefined, message });
    }
    return { address: url, socketMode, token: tokenFile };
  });
}

function stateSection() {
  return section({
    folder: text(
      "the path of a folder",
      "Where services that were registered with `keep` are written. Made if it is not there.",
    ),
  });
}

function limitsSection() {
  return section({
    memory: size({
      min: "1MiB",
      max: "64GiB",
      byDefault: "96MiB",
      help: "What the receive windows of all streams of this node may grow by, together. Stops stalled readers taking its memory.",
    }),
    held: size({
      min: "1MiB",
      max: "64GiB",
      byDefault: "512MiB",
      help: "What all streams of this node may hold that nobody has read yet. Near it those who hold most are cut off. Stops many stalled readers taking its memory.",
    }),
    linkMemory: size({
      min: "0B",
      max: "64GiB",
      byDefault: "32MiB",
      help: "The same for the streams of one link. Stops one peer taking all of it.",
    }),
    window: size({
      min: "256KiB",
      max: "256MiB",
      byDefault: "8MiB",
      help: "What the receive window of one stream may grow to. Stops one stalled reader taking what the others need.",
    }),
    streams: integer(
      1,
      1_000_000,
      16_384,
      "Streams that a peer may have open on one link; past three quarters of them those who have most are refused first. Stops opening streams without end.",
    ),
    resets: integer(
      10,
      1_000_000,
      5000,
      "Resets a second that a peer may send on one link, of streams that it opened. Peers of this version are told, and keep to it. Stops rapid reset: work begun and dropped at no cost.",
    ),
    offers: integer(1, 100_000, 10_000, "Services that a peer may offer over one link. Stops filling the registry."),
    offerMemory: size({
      min: "64KiB",
      max: "1GiB",
      byDefault: "16MiB",
      help: "What the offers of one identity, or anonymous address, may take over all of its links, and no more than is then left of four times that, which all of them share. Stops filling memory with names, labels and paths.",
    }),
    hops: integer(
      1,
      HOPS_MAX,
      4,
      "Links that a stream may take, one after the other, on its way to an app. 1: nothing is passed on. Stops chains of routers without end.",
    ),
    handshakes: integer(
      1,
      65_536,
      1024,
      "Connections of one link listener that have not finished the handshake. Stops taking every descriptor without a token.",
    ),
    handshakeTimeout: duration({
      min: "100ms",
      max: "5m",
      byDefault: "10s",
      help: "How long a link's handshake may take. Stops connections that never say anything.",
    }),
  })
    .transform((limits) => ({
      memoryBytes: limits.memory,
      heldBytesMax: limits.held,
      linkMemoryBytes: limits.linkMemory,
      windowBytesMax: limits.window,
      streamsPerLinkMax: limits.streams,
      resetsPerSecondMax: limits.resets,
      offersPerLinkMax: limits.offers,
      offerBytesPerPayerMax: limits.offerMemory,
      hopsMax: limits.hops,
      handshakesMax: limits.handshakes,
      handshakeTimeoutMs: limits.handshakeTimeout,
    }))
    .prefault({})
    .describe("What peers may ask of this node. Each limit names what it stops.");
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
  const address = ofThisSystem(parseListenerAddress)(value);
  if (address.scheme !== "http" && address.scheme !== "unix")
    throw new Error(`expected a URL such as http://127.0.0.1:8088, not ${value}`);
  return address;
}
