/** The `listeners` section: where clients come in, which service they get, and what one client may ask. */
import { isIP } from "node:net";
import { isLocalPlace, parseListenerAddress } from "../base/address.ts";
import { unreachedRoutes } from "../http/route-match.ts";
import { DEFAULT_POLICY } from "../session/exchange-policy.ts";
import { EXCHANGE_KEYS, exchangeKeys, exchangePolicy, exchangeWishes } from "./exchange-schema.ts";
import { accessLogSection } from "./access-log-schema.ts";
import {
  choice,
  duration,
  optionalDuration,
  flag,
  integer,
  list,
  maybe,
  nodeName,
  parsed,
  section,
  serviceName,
  size,
} from "./fields.ts";
import { ofThisSystem } from "../socket/abstract-socket.ts";
import { analyzeField } from "./analyze-schema.ts";
import { fanOutKeys, fanOutPolicy, fanOutProblem, MODES } from "./fan-out-schema.ts";
import { rateSection } from "./rate-schema.ts";
import type { ReadFile } from "./fields.ts";
import { socketModeField, socketModeProblem } from "./socket-mode.ts";
import { hstsSection, listenerTlsSection } from "./listener-tls-schema.ts";
import { routesByHost, routeSection } from "./routes-schema.ts";
import { DEFAULT_LISTENER_UDP, listenerUdpSection } from "./udp-schema.ts";

export function listenersSection(read: ReadFile) {
  return list(listenerSection(read), "Where clients come in.");
}

function listenerSection(read: ReadFile) {
  return section({
    url: parsed(
      "a URL such as http://0.0.0.0:8001",
      ofThisSystem(parseListenerAddress),
      "Where to listen: `http://`, `https://`, `tcp://`, `tls://` or `udp://HOST:PORT`, `unix:///path`, `unix:@name`; a port alone is http on 127.0.0.1, `:PORT` on every interface.",
    ),
    socketMode: socketModeField("what the umask of the process allows"),
    tls: maybe(listenerTlsSection(read)).describe("For `https://`: the certificates, and whom it asks for one."),
    hsts: maybe(hstsSection()).describe(
      "For `https://`: tells browsers to use nothing else (Strict-Transport-Security). A duration such as `365d`, or keys.",
    ),
    service: maybe(
      serviceName(
        "The one service behind this listener. A tcp, unix or udp listener needs it; of a tls listener it takes what no route does.",
      ),
    ),
    node: maybe(nodeName("Only this node's offers of the service.")),
    mode: maybe(
      choice(
        MODES,
        "How each session meets the nodes that offer its service: `one` of them, or all, as `mode` of services explains; HTTP takes `half-duplex`, which races each request. Left out: as the offers say.",
      ),
    ),
    ...fanOutKeys(),
    routes: list(
      routeSection(),
      "Which requests go to which service; the most specific route wins. Without routes, the request names its service.",
    ),
    trustedProxies: list(
      parsed("an address or a network such as 10.0.0.0/8", checkNetwork, "An address or network."),
      "Proxies in front whose word about their clients is believed: PROXY headers where `proxyProtocol` requires them, and X-Forwarded-* and Forwarded fields, which are extended.",
    ),
    accessLog: maybe(accessLogSection("A line for each request of this listener, instead of the node's `accessLog`.")),
    analyze: analyzeField(read, "a tcp, tls or unix listener's connections"),
    requestId: flag(
      false,
      "Give each request an id, in X-Request-Id for the app and for the client. A trusted proxy's id is kept. Off, since it costs each request bytes on every hop.",
    ),
    tracing: choice(
      ["pass", "create", "restart"],
      "W3C trace context: `pass` a valid traceparent on, `create` one for requests without, or `restart` traces of clients that are not trusted proxies.",
    ).default("pass"),
    proxyProtocol: choice(
      ["none", "required"],
      "`required`: each connection begins with a PROXY header, version 1 or 2, of one of `trustedProxies`, and is its client's. Any other connection is closed.",
    ).default("none"),
    http2: flag(
      true,
      "Also take HTTP/2: by ALPN on `https://`, with prior knowledge (h2c, as gRPC clients do) on `http://`. HTTP/1.1 stays.",
    ),
    waitForOffer: duration({
      min: "0s",
      max: "10m",
      byDefault: "5s",
      help: "How long a request for a known service waits for a node to offer it, before 503.",
    }),
    ...exchangeKeys(),
    udp: maybe(listenerUdpSection()),
    limits: listenerLimitsSection(),
  }).transform(({ url, service, udp, waitForOffer, routes, mode, slowest, buffer, join, ...given }, context) => {
    const [wishes, others] = exchangeWishes(given);
    const rest = { ...others, routes };
    const fanOutWishes = { mode, slowest, buffer, join };
    const problem = (path: string[], message: string): void => {
      context.issues.push({ code: "custom", input: undefined, path, message });
    };
    const routed = rest.routes.length > 0;
    if (url.scheme === "tls") {
      for (const [index, route] of rest.routes.entries()) {
        const message = "a tls:// listener routes by host only: it reads no request";
        if (!routesByHost(route)) problem(["routes", String(index)], message);
      }
    } else if (service !== undefined && routed) problem(["routes"], "a listener has a service or routes, not both");
    if (url.protocol !== "http/1.1" && url.scheme !== "tls" && routed)
      problem(["routes"], `routes need an http://, https:// or tls:// listener, not ${url.url}`);
    else if (url.protocol !== "http/1.1" && service === undefined && !routed)
      problem(["url"], `${url.url} needs a service to lead to`);
    if (url.scheme === "https" && rest.tls === undefined)
      problem(["url"], `${url.url} needs tls: { cert, key }; to pass TLS through undecrypted, write tls://`);
    for (const key of ["tls", "hsts"] as const) {
      if (rest[key] !== undefined && url.scheme !== "https")
        problem([key], `${key} needs an https:// listener, not ${url.url}`);
    }
    if (rest.proxyProtocol === "required" && rest.trustedProxies.length === 0 && !isLocalPlace(url.place)) {
      const message =
        `${url.url} is reachable beyond this machine and would let anybody say who they are: ` +
        "list in trustedProxies who may send PROXY headers (0.0.0.0/0 and ::/0 for everybody)";
      problem(["proxyProtocol"], message);
    }
    for (const [unreached, taker] of unreachedRoutes(rest.routes.map(({ match }) => match))) {
      const message = `no request gets here: routes[${taker}] takes all that this one matches`;
      context.issues.push({ code: "custom", input: undefined, path: ["routes", unreached], message });
    }
    if (udp !== undefined && url.protocol !== "udp") problem(["udp"], `udp needs a udp:// listener, not ${url.url}`);
    if (url.protocol === "udp" && rest.proxyProtocol !== "none")
      problem(["proxyProtocol"], `datagrams have no PROXY header, so ${url.url} cannot require one`);
    if (rest.analyze !== undefined && (url.protocol === "http/1.1" || url.protocol === "udp"))
      problem(["analyze"], `analyze needs a tcp://, tls:// or unix:// listener, not ${url.url}`);
    if (rest.node !== undefined && service === undefined) problem(["node"], "node needs a service");
    const uselessSocketMode = socketModeProblem(rest.socketMode, url.place, url.url);
    if (uselessSocketMode !== undefined) problem(["socketMode"], uselessSocketMode);
    const useless = url.protocol === "http/1.1" ? undefined : EXCHANGE_KEYS.find((key) => wishes[key] !== undefined);
    if (useless !== undefined) problem([useless], `${useless} needs an http:// or https:// listener, not ${url.url}`);
    const uselessOfMode = fanOutProblem(fanOutWishes);
    if (uselessOfMode !== undefined) problem([uselessOfMode[0]], uselessOfMode[1]);
    const isHttp = url.protocol === "http/1.1";
    if (isHttp && mode === "full-duplex")
      problem(["mode"], `full-duplex merges bytes, which is no answer in HTTP: use half-duplex, or a tcp:// listener`);
    const fanOut = mode === "one" ? null : fanOutPolicy(fanOutWishes, url.protocol);
    const policy = exchangePolicy(wishes, { ...DEFAULT_POLICY, fanOut });
    return {
      ...others,
      fanOut,
      routes: routes.map(({ wishes: ofRoute, ...route }) => ({ ...route, policy: exchangePolicy(ofRoute, policy) })),
      policy,
      address: url,
      service,
      udp: udp ?? DEFAULT_LISTENER_UDP,
      waitForOfferMs: waitForOffer,
    };
  });
}

function listenerLimitsSection() {
  return section({
    connections: integer(
      1,
      1_000_000,
      65_536,
      "Client connections at once; further ones are closed at once. Of a udp listener see `udp.associations`. Stops taking every descriptor.",
    ),
    connectionsPerClient: integer(
      0,
      1_000_000,
      16_384,
      "Connections of one client address (of IPv6, one /64 network) at once; further ones are closed at once. 0: no limit, as always for `trustedProxies`. Stops one client taking all connections.",
    ),
    connectionRate: integer(
      0,
      1_000_000,
      0,
      "New connections a second, of all clients together; further ones are closed at once. 0: no limit. Stops floods of connections.",
    ),
    rate: maybe(
      rateSection(
        "How often each client address (of IPv6, each /64 network) may ask; behind `trustedProxies`, each that X-Forwarded-For names. Beyond it requests get 429, connections of a tcp or unix listener are closed, and associations of a udp listener do not begin. Left out: no limit.",
      ),
    ),
    rateTotal: maybe(rateSection("The same for all clients of this listener together.")),
    head: size({
      min: "1KiB",
      max: "1MiB",
      byDefault: "32KiB",
      help: "A request's or response's head. Stops heads without end.",
    }),
    fields: integer(
      1,
      1000,
      100,
      "Header fields in a head. Stops heads that cost us more to check than others to send.",
    ),
    target: size({
      min: "64B",
      max: "1MiB",
      byDefault: "8KiB",
      help: "A request's target (path and query). Stops the same.",
    }),
    body: size({
      min: "1B",
      max: "1048576GiB",
      byDefault: "1048576GiB",
      help: "A request's body; by default in effect without limit. Stops uploads that an app cannot take.",
    }),
    headTimeout: duration({
      min: "10ms",
      max: "10m",
      byDefault: "10s",
      help: "How long a request's head may take to arrive. Stops slow heads that hold connections.",
    }),
    idleTimeout: duration({
      min: "10ms",
      max: "24h",
      byDefault: "60s",
      help: "How long a client's connection is kept between requests, or while no byte of a request's body arrives. Stops connections that are held and not used.",
    }),
    sendTimeout: duration({
      min: "100ms",
      max: "24h",
      byDefault: "60s",
      help: "How long a client may take nothing of an answer that waits for it, before it is cut off; bytes of an upgraded connection may wait. Stops readers that hold answers and never take them.",
    }),
    halfCloseTimeout: optionalDuration({
      min: "10ms",
      max: "24h",
      help: "How long an answer may stand still for a client that closed its side: most that do are gone, and only sending tells. Left out: 1s for requests, and no limit for raw connections. Stops apps that work for nobody.",
    }),
    streams: integer(
      1,
      10_000,
      320,
      "HTTP/2: requests at once on one connection; the client keeps further ones to itself. Stops many from one.",
    ),
    resets: integer(
      1,
      100_000,
      100,
      "HTTP/2: how often a second a client may take requests back unanswered, twice as many at once; beyond that its connection is closed. Stops rapid resets.",
    ),
  })
    .transform(({ connections, head, fields, target, body, headTimeout, idleTimeout, halfCloseTimeout, ...rest }) => ({
      connections,
      connectionsPerClientMax: rest.connectionsPerClient,
      newConnections:
        rest.connectionRate === 0
          ? undefined
          : { requests: rest.connectionRate, perMs: 1000, burst: rest.connectionRate },
      rates: { client: rest.rate, total: rest.rateTotal },
      headBytesMax: head,
      fieldsMax: fields,
      targetBytesMax: target,
      bodyBytesMax: body,
      headTimeoutMs: headTimeout,
      idleTimeoutMs: idleTimeout,
      halfCloseTimeoutMs: halfCloseTimeout ?? HALF_CLOSE_TIMEOUT_MS,
      rawHalfCloseTimeoutMs: halfCloseTimeout ?? Number.POSITIVE_INFINITY,
      sendTimeoutMs: rest.sendTimeout,
      streams: rest.streams,
      resets: rest.resets,
    }))
    .prefault({})
    .describe("What one client may ask of this listener.");
}

/** Of requests. */
const HALF_CLOSE_TIMEOUT_MS = 1000;

function checkNetwork(value: string): string {
  const [address = "", prefix] = value.split("/", 2);
  const bits = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  const ok = bits > 0 && (prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits));
  if (!ok || value.split("/").length > 2)
    throw new Error(`expected an address or a network such as 10.0.0.0/8, not ${value}`);
  return value;
}
