/** The `services` section: what this node offers, and how it reaches the apps. */
import { z } from "zod";
import { parseTargetAddress, type TargetAddress } from "../base/address.ts";
import { checkServiceName } from "../base/argument.ts";
import { messageOf } from "../base/errors.ts";
import { LABEL_KEY_LENGTH_MAX, LABEL_VALUE_LENGTH_MAX, LABELS_MAX } from "../link/link-limits.ts";
import { ofThisSystem } from "../socket/abstract-socket.ts";
import { clientTlsSection, isTlsSet } from "./client-tls-schema.ts";
import { analyzeField } from "./analyze-schema.ts";
import { fanOutKeys, fanOutPolicy, fanOutProblem, type FanOutWishes, MODES } from "./fan-out-schema.ts";
import { choice, duration, integer, maybe, parsed, type ReadFile, section } from "./fields.ts";
import { DEFAULT_SERVICE_UDP, serviceUdpSection } from "./udp-schema.ts";

export function servicesSection(read: ReadFile) {
  return z
    .record(z.string(), serviceSection(read), { error: "expected a group of services by name" })
    .transform((services, context) =>
      Object.entries(services).map(([name, service]) => {
        // The name is a key of the file, so that its schema cannot be a field's.
        try {
          checkServiceName(name);
        } catch (error) {
          context.issues.push({ code: "custom", input: name, path: [name], message: messageOf(error) });
        }
        return Object.assign(service, { name });
      }),
    )
    .prefault({})
    .describe("The services that this node offers, by name. `*` takes what no other service takes.");
}

function serviceSection(read: ReadFile) {
  const target = parsed(
    "a URL such as http://127.0.0.1:3000",
    ofThisSystem(parseTargetAddress),
    "The app: `http://`, `https://`, `h2c://` (HTTP/2 without TLS), `tcp://` or `tls://HOST:PORT`, `unix:///path` or `unix:@name` (raw bytes; `http+unix:` and `h2c+unix:` for HTTP); `srv+tcp://NAME` and the like find it by SRV records, `naptr+tcp://NAME` by NAPTR records. A port alone is http on 127.0.0.1.",
  );
  return section({
    target: maybe(target),
    targets: z
      .array(target, { error: "expected a list of URLs" })
      .min(1, { error: "expected at least one URL" })
      .max(1000, { error: "expected at most 1000 URLs" })
      .optional()
      .describe("Several apps that each session is with at once, as `mode` says."),
    protocol: maybe(
      choice(
        ["http/1.1", "h2", "tcp"],
        "What the app speaks; `h2` is HTTP/2, by ALPN on `https://` and else with prior knowledge. By default what the target's scheme says: http/1.1 for http and https, h2 for h2c, else tcp.",
      ),
    ),
    mode: choice(
      MODES,
      "How a session meets the service's servers: those of `targets`, and all nodes that offer it. `one`: one of them. `half-duplex`: all get what the client sends, and the first that answers keeps the session. `full-duplex`: all get it, and the client gets all answers.",
    ).default("one"),
    ...fanOutKeys(),
    tls: clientTlsSection(read).prefault({}).describe("For `https://` and `tls://` targets."),
    analyze: analyzeField(read, "the streams that reach the service here"),
    weight: integer(1, 1000, 1, "Share of new work relative to other nodes that offer the service."),
    labels: labelsField(),
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
    stallTimeout: duration({
      min: "0s",
      max: "24h",
      byDefault: "5m",
      help: "How long the app may send nothing in the middle of its answer's body before it is cut. `0s`: no limit. Tunnels (websockets) have none.",
    }),
    keepAlive: keepAliveSection(),
    udp: maybe(serviceUdpSection()),
    proxyProtocol: choice(
      ["none", "v1", "v2"],
      "The PROXY header that begins each connection to the app and tells it the client's address. Each client then has connections of its own to an http app.",
    ).default("none"),
  }).transform(({ target: one, targets, protocol, mode, slowest, buffer, join, udp, ...rest }, context) => {
    const address = one ?? targets?.[0];
    const addresses = targets ?? (one === undefined ? [] : [one]);
    const fanOut = { mode, slowest, buffer, join };
    if (address === undefined || (one !== undefined && targets !== undefined)) {
      const message = address === undefined ? "a service needs a target" : "give target or targets, not both";
      context.issues.push({ code: "custom", input: undefined, message });
      return z.NEVER;
    }
    const http2 = protocol === "h2" || (address.scheme === "h2c" && protocol === undefined);
    if (address.scheme === "h2c" && !http2) {
      const message = `an h2c:// target speaks h2; write http:// for HTTP/1.1 to ${address.url}`;
      context.issues.push({ code: "custom", input: undefined, path: ["protocol"], message });
    }
    if (http2 && rest.proxyProtocol !== "none") {
      const message = "clients share the connections to an app that speaks h2: none of them has its PROXY header";
      context.issues.push({ code: "custom", input: undefined, path: ["proxyProtocol"], message });
    }
    if (address.protocol === "http/1.1" && address.scheme !== "h2c" && protocol === "tcp") {
      const raw = address.scheme === "https" ? "tls" : "tcp";
      const message = `an ${address.scheme}:// target speaks http/1.1; write ${raw}:// to pass raw bytes to ${address.url}`;
      context.issues.push({ code: "custom", input: undefined, path: ["protocol"], message });
    }
    if (!addresses.some(({ scheme }) => scheme === "https" || scheme === "tls") && isTlsSet(rest.tls)) {
      const message = `tls settings need an https:// or tls:// target, and ${address.url} is neither`;
      context.issues.push({ code: "custom", input: undefined, path: ["tls"], message });
    }
    const given = { protocol, udp, ...rest };
    for (const [path, message] of [...serversProblems(addresses, fanOut), ...datagramProblems(address, given)]) {
      context.issues.push({ code: "custom", input: undefined, path: [path], message });
    }
    const { connectTimeout, responseTimeout, stallTimeout, ...others } = rest;
    return {
      ...others,
      target: address,
      /** All of them, that one first. */
      targets: addresses,
      fanOut: fanOutPolicy(fanOut, address.protocol),
      udp: udp ?? DEFAULT_SERVICE_UDP,
      // Requests cross links as HTTP/1.1, whichever version the app speaks.
      protocol: http2 ? ("http/1.1" as const) : (protocol ?? address.protocol),
      http2,
      connectTimeoutMs: connectTimeout,
      responseTimeoutMs: responseTimeout,
      stallTimeoutMs: stallTimeout,
    };
  });
}

/** What is wrong with several servers, by key. */
function serversProblems(addresses: readonly TargetAddress[], fanOut: FanOutWishes): (readonly [string, string])[] {
  const problems: (readonly [string, string])[] = [];
  const [first] = addresses;
  const useless = fanOutProblem(fanOut);
  if (useless !== undefined) problems.push(useless);
  if (addresses.length > 1 && fanOut.mode === "one") {
    problems.push(["targets", "several targets need mode: half-duplex or full-duplex; mode one has one target"]);
  }
  const other = addresses.find(
    ({ protocol, scheme }) => protocol !== first?.protocol || (scheme === "h2c") !== (first.scheme === "h2c"),
  );
  if (other !== undefined) {
    problems.push([
      "targets",
      `the targets of a service speak one protocol, and ${other.url} another than ${first?.url}`,
    ]);
  }
  if (fanOut.mode === "full-duplex" && first?.protocol === "http/1.1") {
    problems.push(["mode", "full-duplex merges bytes, which is no answer in HTTP: use half-duplex, or tcp:// targets"]);
  }
  return problems;
}

/** What datagrams do not have, by key; and what only they have. */
function datagramProblems(
  { protocol, url }: TargetAddress,
  given: Readonly<Record<"protocol" | "udp" | "health" | "analyze" | "proxyProtocol", unknown>>,
): (readonly [string, string])[] {
  if (protocol !== "udp") return given.udp === undefined ? [] : [["udp", `udp needs a udp:// target, not ${url}`]];
  const problems: (readonly [string, string])[] = [];
  if (given.protocol !== undefined) problems.push(["protocol", `a udp:// target speaks datagrams; leave protocol out`]);
  if (given.health !== undefined)
    problems.push(["health", `nothing can be connected to at ${url}: an app that hears datagrams cannot be checked`]);
  if (given.analyze !== undefined) problems.push(["analyze", `analyzers read streams of bytes, and ${url} has none`]);
  if (given.proxyProtocol !== "none")
    problems.push(["proxyProtocol", `datagrams have no PROXY header, so ${url} gets none`]);
  return problems;
}

/** Bounded as the link protocol bounds them, so that no peer refuses them. */
function labelsField() {
  const key = `expected a name of 1 to ${LABEL_KEY_LENGTH_MAX} characters`;
  const value = `expected text of at most ${LABEL_VALUE_LENGTH_MAX} characters`;
  return z
    .record(
      z.string().min(1, { error: key }).max(LABEL_KEY_LENGTH_MAX, { error: key }),
      z.string({ error: value }).max(LABEL_VALUE_LENGTH_MAX, { error: value }),
      { error: "expected names and texts" },
    )
    .refine((labels) => Object.keys(labels).length <= LABELS_MAX, { error: `expected at most ${LABELS_MAX} labels` })
    .prefault({})
    .describe("Told to the other nodes with the offer.");
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
