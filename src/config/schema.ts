/**
 * The one schema of a node's configuration.
 *
 * It gives the types (`node-config.ts`), validation, defaults and bounds of the YAML file, of the flags (which are turned
 * into the same shape), the JSON Schema and the reference in docs/CONFIG.md. Parsing resolves: durations become
 * milliseconds, sizes bytes, URLs addresses, and files their text.
 */
import { isIP } from "node:net";
import { z } from "zod";
import { isLocalPlace, parseLinkAddress, parseLinkListenerAddress } from "../base/address.ts";
import { parseListenerAddress, parseTargetAddress } from "../base/address.ts";
import { checkServiceName } from "../base/argument.ts";
import { messageOf } from "../base/errors.ts";
import type { ReadFile } from "./fields.ts";
import { choice, duration, file, flag, integer, list, maybe, nodeName, parsed, section } from "./fields.ts";
import { serviceName, size, text } from "./fields.ts";
import { LoadedText } from "./loaded-text.ts";

/** Resolves the raw shape of a configuration; `read` fetches the files that it names. */
export function createConfigSchema(read: ReadFile) {
  return section({
    node: nodeSection(),
    links: linksSection(read),
    services: servicesSection(),
    listeners: list(listenerSection(), "Where clients come in."),
    admin: maybe(adminSection(read)).describe("The admin API, health and metrics. Left out: none."),
    limits: limitsSection(),
    log: logSection(),
    cluster: z
      .never({ error: "not supported yet: leave the cluster section out" })
      .optional()
      .transform(() => undefined)
      .meta({ polarityHidden: true }),
  }).transform(({ cluster: _, ...config }) => config);
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

const TOKEN_CONFLICT = "give token or tokenFile, not both";

function linksSection(read: ReadFile) {
  return section({
    accept: list(acceptSection(read), "Where other nodes may join."),
    dial: list(dialSection(read), "The nodes that this one keeps links to."),
  })
    .prefault({})
    .describe("Links to other nodes.");
}

function acceptSection(read: ReadFile) {
  const tls = section({
    cert: file(read, "The certificate chain, PEM."),
    key: file(read, "The certificate's private key, PEM."),
    clientCa: maybe(file(read, "Certificate authority that dialling nodes must hold a certificate of, PEM.")),
  });
  const auth = section({
    tokensFile: file(read, "The tokens that dialling nodes may show: YAML, `name: token` a line."),
  });
  return section({
    url: parsed(
      "a URL such as tcp://0.0.0.0:8000",
      parseLinkListenerAddress,
      "Where to listen: `tcp://HOST:PORT`, `:PORT` or `unix:///path`. One tcp port takes raw, websocket and TLS links.",
    ),
    tls: maybe(tls).describe("Makes the port take TLS links."),
    auth: maybe(auth).describe("Who may join."),
    insecure: flag(false, "Accept anybody, even beyond this machine."),
  }).transform(({ url, tls: certificates, auth: known, insecure }, context) => {
    const open = known === undefined && certificates?.clientCa === undefined;
    if (open && !insecure && !isLocalPlace(url.place)) {
      context.issues.push({
        code: "custom",
        input: url.url,
        message:
          `${url.url} is reachable beyond this machine and would let anybody join: ` +
          "set auth.tokensFile or tls.clientCa, or say insecure: true",
      });
    }
    return { address: url, tls: certificates, tokens: known?.tokensFile, insecure };
  });
}

function dialSection(read: ReadFile) {
  const tls = section({
    ca: maybe(file(read, "Certificate authority to trust instead of the system's, PEM.")),
    cert: maybe(file(read, "This node's certificate chain, PEM.")),
    key: maybe(file(read, "The certificate's private key, PEM.")),
    serverName: maybe(text("a host name", "The name to expect in the certificate instead of the URL's host.")),
    insecureSkipVerify: flag(false, "Do not check the certificate."),
  });
  return section({
    url: parsed(
      "a URL such as wss://edge.example.com:8000",
      parseLinkAddress,
      "The node to dial: `tcp://`, `tls://`, `ws://`, `wss://` or `unix://`.",
    ),
    cost: integer(0, 1_000_000, 0, "What the link costs to use, told to the other node; cheaper links are preferred."),
    links: integer(1, 1000, 1, "How many links to keep to it."),
    token: maybe(text("a token", "The token to show. Better kept in a file, or written as `${VARIABLE}`.")),
    tokenFile: maybe(file(read, "A file that holds the token to show.")),
    tls: tls.prefault({}).describe("For `tls://` and `wss://`."),
  }).transform(({ url, cost, links, token, tokenFile, tls: trust }, context) => {
    if (token !== undefined && tokenFile !== undefined) {
      context.issues.push({ code: "custom", input: undefined, message: TOKEN_CONFLICT });
    }
    if ((trust.cert === undefined) !== (trust.key === undefined)) {
      const missing = trust.cert === undefined ? "cert" : "key";
      context.issues.push({
        code: "custom",
        input: undefined,
        path: ["tls"],
        message: `a client certificate needs both cert and key; ${missing} is missing`,
      });
    }
    const given = token === undefined ? undefined : new LoadedText("the configuration", token);
    return { address: url, cost, links, token: given ?? tokenFile, tls: trust };
  });
}

function servicesSection() {
  return z
    .record(z.string(), serviceSection(), { error: "expected a group of services by name" })
    .transform((services, context) =>
      Object.entries(services).map(([name, service]) => {
        try {
          checkServiceName(name);
        } catch (error) {
          context.issues.push({ code: "custom", input: name, path: [name], message: messageOf(error) });
        }
        return { name, ...service };
      }),
    )
    .prefault({})
    .describe("The services that this node offers, by name. `*` takes what no other service takes.");
}

function serviceSection() {
  const target = parsed(
    "a URL such as http://127.0.0.1:3000",
    parseTargetAddress,
    "The app: `http://HOST:PORT`, `tcp://HOST:PORT` or `unix:///path`. A port alone is http on 127.0.0.1.",
  );
  return section({
    target: maybe(target),
    targets: z
      .array(target, { error: "expected a list of URLs" })
      .max(1, { error: "several targets are not supported yet: give one" })
      .optional()
      .describe("The same as a list; this version takes one."),
    protocol: maybe(
      choice(
        ["http/1.1", "tcp"],
        "What the app speaks. By default what the target's scheme says: http/1.1 for http, else tcp.",
      ),
    ),
    mode: z
      .enum(["one", "half-duplex", "full-duplex"], { error: "expected one, half-duplex or full-duplex" })
      .refine((mode) => mode === "one", { error: "one-to-N modes are not supported yet: use mode: one" })
      .transform((): "one" => "one")
      .prefault("one")
      .describe("How a session meets the service's targets. This version knows `one`: each session has one target."),
    weight: integer(1, 1000, 1, "Share of new work relative to other nodes that offer the service."),
    labels: z
      .record(z.string(), z.string({ error: "expected text" }), { error: "expected names and texts" })
      .prefault({})
      .describe("Told to the other nodes with the offer."),
    health: maybe(healthSection()).describe("Checks the app in the background; a failing one is offered as down."),
    connectTimeout: duration({
      min: "1ms",
      max: "10m",
      byDefault: "5s",
      help: "How long connecting to the app may take.",
    }),
    responseTimeout: duration({
      min: "1ms",
      max: "24h",
      byDefault: "60s",
      help: "How long the app may take to begin its answer to an HTTP request.",
    }),
    keepAlive: keepAliveSection(),
    proxyProtocol: z
      .enum(["none", "v1", "v2"], { error: "expected none, v1 or v2" })
      .refine((version) => version === "none", {
        error: "the PROXY protocol is not supported yet: use proxyProtocol: none",
      })
      .transform((): "none" => "none")
      .prefault("none")
      .describe("Tells the app the client's address. This version knows `none`."),
  }).transform(({ target: one, targets, protocol, ...rest }, context) => {
    const address = one ?? targets?.[0];
    if (address === undefined || (one !== undefined && targets !== undefined)) {
      const message = address === undefined ? "a service needs a target" : "give target or targets, not both";
      context.issues.push({ code: "custom", input: undefined, message });
      return z.NEVER;
    }
    if (address.scheme === "http" && protocol === "tcp") {
      const message = `an http:// target speaks http/1.1; write tcp:// to pass raw bytes to ${address.url}`;
      context.issues.push({ code: "custom", input: undefined, path: ["protocol"], message });
    }
    const { connectTimeout, responseTimeout, ...others } = rest;
    return {
      ...others,
      target: address,
      protocol: protocol ?? address.protocol,
      connectTimeoutMs: connectTimeout,
      responseTimeoutMs: responseTimeout,
    };
  });
}

function healthSection() {
  return section({
    path: maybe(
      z
        .string({ error: "expected a path such as /healthz" })
        .regex(/^\/[!-~]*$/, { error: "expected a path such as /healthz" })
        .describe("The path to GET; 2xx and 3xx are healthy. Left out: being able to connect is."),
    ),
    interval: duration({ min: "100ms", max: "1h", byDefault: "5s", help: "Time between checks." }),
    timeout: duration({ min: "10ms", max: "10m", byDefault: "2s", help: "How long a check may take." }),
    rise: integer(1, 100, 1, "Checks in a row that must pass before a failing app counts as healthy."),
    fall: integer(1, 100, 3, "Checks in a row that must fail before a healthy app counts as failing."),
  }).transform(({ path, interval, timeout, rise, fall }) => ({
    path,
    intervalMs: interval,
    timeoutMs: timeout,
    rise,
    fall,
  }));
}

function keepAliveSection() {
  return section({
    connections: integer(0, 100_000, 256, "Idle connections to the app that are kept for the next request. 0: none."),
    idle: duration({
      min: "1ms",
      max: "24h",
      byDefault: "30s",
      help: "How long an idle connection to the app is kept.",
    }),
  })
    .transform(({ connections, idle }) => ({ connections, idleMs: idle }))
    .prefault({})
    .describe("Connections to an HTTP app, kept between requests.");
}

function listenerSection() {
  const route = section({
    host: maybe(
      parsed(
        "a host such as app.example.com or *.example.com",
        checkRouteHost,
        "The host to match, `*.` for any first label.",
      ),
    ),
    path: maybe(
      z
        .string({ error: "expected a path such as /api" })
        .regex(/^\/[!-~]*$/, { error: "expected a path such as /api" })
        .describe("The path to match, with everything below it."),
    ),
    service: serviceName("The service that takes what matches."),
    stripPrefix: flag(false, "Take the matched path off before the request is passed on."),
  });
  return section({
    url: parsed(
      "a URL such as http://0.0.0.0:8001",
      parseListenerAddress,
      "Where to listen: `http://HOST:PORT`, `tcp://HOST:PORT`, `unix:///path`; `:PORT` is http on every interface.",
    ),
    service: maybe(serviceName("The one service behind this listener. A tcp or unix listener needs it.")),
    node: maybe(nodeName("Only this node's offers of the service.")),
    routes: list(
      route,
      "Which requests go to which service; the longest path of the most exact host wins. Without routes, the request names its service.",
    ),
    trustedProxies: list(
      parsed("an address or a network such as 10.0.0.0/8", checkNetwork, "An address or network."),
      "Proxies in front whose X-Forwarded-* and Forwarded fields are believed and extended.",
    ),
    waitForOffer: duration({
      min: "0s",
      max: "10m",
      byDefault: "5s",
      help: "How long a request for a known service waits for a node to offer it, before 503.",
    }),
    limits: listenerLimitsSection(),
  }).transform(({ url, service, waitForOffer, ...rest }, context) => {
    const problem = (path: string[], message: string): void => {
      context.issues.push({ code: "custom", input: undefined, path, message });
    };
    if (service !== undefined && rest.routes.length > 0)
      problem(["routes"], "a listener has a service or routes, not both");
    if (url.scheme !== "http" && rest.routes.length > 0)
      problem(["routes"], `routes need an http:// listener, not ${url.url}`);
    else if (url.scheme !== "http" && service === undefined) problem(["url"], `${url.url} needs a service to lead to`);
    if (rest.node !== undefined && service === undefined) problem(["node"], "node needs a service");
    return { ...rest, address: url, service, waitForOfferMs: waitForOffer };
  });
}

function listenerLimitsSection() {
  return section({
    connections: integer(1, 1_000_000, 65_536, "Client connections at once; further ones are closed at once."),
    head: size({ min: "1KiB", max: "1MiB", byDefault: "64KiB", help: "A request's or response's head." }),
    fields: integer(1, 1000, 100, "Header fields in a head."),
    target: size({ min: "64B", max: "1MiB", byDefault: "16KiB", help: "A request's target (path and query)." }),
    body: size({
      min: "1B",
      max: "1048576GiB",
      byDefault: "1048576GiB",
      help: "A request's body; by default in effect without limit.",
    }),
    headTimeout: duration({
      min: "10ms",
      max: "10m",
      byDefault: "10s",
      help: "How long a request's head may take to arrive.",
    }),
    idleTimeout: duration({
      min: "10ms",
      max: "24h",
      byDefault: "60s",
      help: "How long an idle client connection is kept between requests.",
    }),
  })
    .transform(({ connections, head, fields, target, body, headTimeout, idleTimeout }) => ({
      connections,
      headBytesMax: head,
      fieldsMax: fields,
      targetBytesMax: target,
      bodyBytesMax: body,
      headTimeoutMs: headTimeout,
      idleTimeoutMs: idleTimeout,
    }))
    .prefault({})
    .describe("What one client may ask of this listener.");
}

function adminSection(read: ReadFile) {
  return section({
    url: parsed(
      "a URL such as http://127.0.0.1:8088",
      checkAdminAddress,
      "Where the admin API listens: `http://HOST:PORT` or `unix:///path`.",
    ),
    tokenFile: maybe(file(read, "A file that holds the bearer token of the admin API. Needed beyond this machine.")),
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

function checkNetwork(value: string): string {
  const [address = "", prefix] = value.split("/", 2);
  const bits = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  const ok = bits > 0 && (prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits));
  if (!ok || value.split("/").length > 2)
    throw new Error(`expected an address or a network such as 10.0.0.0/8, not ${value}`);
  return value;
}

function checkRouteHost(value: string): string {
  const host = value.toLowerCase();
  const labels = (host.startsWith("*.") ? host.slice(2) : host).split(".");
  if (isIP(host.replace(/^\[|\]$/g, "")) !== 0) return host;
  if (host.length <= 253 && labels.every((label) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label))) return host;
  throw new Error(`expected a host such as app.example.com or *.example.com, without a port (got ${value})`);
}
