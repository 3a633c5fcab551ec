/** The `routes` of a listener: which requests a route is for, who serves them, and what is done to them on the way. */
import { isIP, isIPv6 } from "node:net";
import { z } from "zod";
import type { ServiceShare } from "../balance/service-split.ts";
import { checkServiceName } from "../base/argument.ts";
import { messageOf } from "../base/errors.ts";
import { headerRules, isPlainValue, refusedField } from "../http/header-rules.ts";
import { refusedHost } from "../http/host.ts";
import { isPlainPath, pathReadings } from "../http/path-reading.ts";
import { type Redirect, REDIRECT_STATUSES, redirectTo } from "../http/redirect.ts";
import type { FieldCondition, RouteMatch } from "../http/route-match.ts";
import { rulesOrNone } from "../http/route-rules.ts";
import { EXCHANGE_KEYS, exchangeKeys, exchangeWishes } from "./exchange-schema.ts";
import { flag, list, maybe, optionalSize, parsed, section, serviceName } from "./fields.ts";

const PATH_LENGTH_MAX = 1024;

export function routeSection() {
  return section({
    host: maybe(
      parsed(
        "a host such as app.example.com or *.example.com",
        checkRouteHost,
        "The host to match; `*.` stands for one or more labels.",
      ),
    ),
    path: maybe(routePath("The path to match, with everything below it, by whole segments.")),
    pathExact: maybe(routePath("The path to match, and nothing below it.")),
    method: methods(),
    headers: headerConditions(),
    service: maybe(serviceName("The service that takes what matches.")),
    split: split(),
    stripPrefix: flag(false, "Take the matched `path` off before the request is passed on."),
    addPrefix: maybe(routePath("Put this before the path, after `stripPrefix`.")),
    rewriteHost: maybe(
      parsed(
        "a host such as app.internal",
        checkRewriteHost,
        "What the app finds in Host, instead of what the client said.",
      ),
    ),
    requestHeaders: headerChanges("Fields of requests, changed before the app sees them."),
    responseHeaders: headerChanges("Fields of responses, changed before the client sees them."),
    redirect: redirect(),
    limits: section({
      body: optionalSize({
        min: "1B",
        max: "1048576GiB",
        help: "A request's body, instead of what the listener allows.",
      }),
    })
      .prefault({})
      .describe("What one client may ask of this route."),
    ...exchangeKeys(),
  }).transform((route, context) => {
    const problem = (key: string, message: string): void => {
      context.issues.push({ code: "custom", input: undefined, path: [key], message });
    };
    const { host, path, pathExact, redirect } = route;
    if (path !== undefined && pathExact !== undefined)
      problem("pathExact", "a route has a path or a pathExact, not both");
    if (route.stripPrefix && path === undefined) problem("stripPrefix", "stripPrefix takes a path off: set path");
    if (route.split.length > 0 && route.service !== undefined)
      problem("split", "a route has a service or a split, not both");
    const served = route.service !== undefined || route.split.length > 0;
    if (!served && redirect === undefined) problem("service", "a route needs a service, a split or a redirect");
    if (served && redirect?.toHttps === false)
      problem(
        "redirect",
        "every request is redirected, so that no service is asked: leave it out, or redirect to https",
      );
    const match: RouteMatch = { host, path, pathExact, methods: route.method, fields: route.headers };
    return {
      match,
      service: route.service ?? "",
      split: route.split,
      wishes: exchangeWishes(route)[0],
      rules: rulesOrNone({
        stripPrefix: route.stripPrefix ? withoutFinalSlash(path ?? "") : "",
        addPrefix: withoutFinalSlash(route.addPrefix ?? ""),
        rewriteHost: route.rewriteHost ?? "",
        request: route.requestHeaders,
        response: route.responseHeaders,
        redirect,
        bodyBytesMax: route.limits.body,
      }),
    };
  });
}

/** Whether a route needs no more than a name that a client says, and has one service for it. */
export function routesByHost({ match, service, rules, wishes }: z.output<ReturnType<typeof routeSection>>): boolean {
  const { path, pathExact, methods, fields } = match;
  if (EXCHANGE_KEYS.some((key) => wishes[key] !== undefined)) return false;
  return (path ?? pathExact ?? rules) === undefined && methods.length + fields.length === 0 && service !== "";
}

function routePath(help: string) {
  return parsed("a path such as /api", checkRoutePath, help);
}

/** A path is matched as it is sent, so a route must be for one that is sent just so. */
function checkRoutePath(path: string): string {
  if (!/^\/[!-~]*$/.test(path) || /[?#]/.test(path)) throw new Error("expected a path such as /api");
  if (path.length > PATH_LENGTH_MAX) throw new Error(`expected a path of at most ${PATH_LENGTH_MAX} characters`);
  if (isPlainPath(path)) return path;
  const reading = pathReadings(path)?.find((other) => other !== path);
  if (pathReadings(path) === undefined)
    throw new Error(`expected a path without dot segments, NULs and encodings of encodings (got ${path})`);
  if (reading !== undefined) throw new Error(`apps may read ${path} as ${reading}: write it so`);
  return path;
}

function methods() {
  const method = z.string().regex(METHOD, { error: METHOD_EXPECTED });
  return z
    .union([method, z.array(method, { error: METHOD_EXPECTED }).min(1, { error: METHOD_EXPECTED })], {
      error: METHOD_EXPECTED,
    })
    .optional()
    .transform((value): readonly string[] => [...new Set(value === undefined ? [] : [value].flat())])
    .meta({ description: "The method to match, or a list of them. HEAD is not GET.", polarityValue: "text or list" });
}

const METHOD = /^[A-Z][A-Z0-9-]{0,31}$/;
const METHOD_EXPECTED = "expected a method such as GET, in capitals, or a list of them";

const HEADERS_EXPECTED = "expected a value, or one of exact, prefix and present";

function headerConditions() {
  const value = parsed("a value", checkValue, "");
  const condition = z
    .union(
      [
        value,
        section({
          exact: maybe(value.describe("Just this value.")),
          prefix: maybe(value.describe("A value that begins so.")),
          present: maybe(z.boolean({ error: "expected true or false" }).describe("Any value, or with false none.")),
        }),
      ],
      { error: HEADERS_EXPECTED },
    )
    .transform((given, context) => {
      if (typeof given === "string") return { exact: given };
      // A key that is not known has been told already.
      const told = context.issues.length > 0;
      if (told || Object.values(given).filter((kind) => kind !== undefined).length === 1) return given;
      context.issues.push({ code: "custom", input: given, message: HEADERS_EXPECTED });
      return z.NEVER;
    });
  return z
    .record(z.string(), condition, { error: "expected names of fields and what their values must be" })
    .optional()
    .transform((conditions = {}, context): readonly FieldCondition[] =>
      Object.entries(conditions).map(([name, condition]) => {
        const message = refusedCondition(name.toLowerCase());
        if (message !== "") context.issues.push({ code: "custom", input: name, path: [name], message });
        return fieldCondition(name.toLowerCase(), condition);
      }),
    )
    .meta({
      description:
        "Fields to match, all of them: `NAME: value` for just that value, or `{ prefix: v }`, `{ present: true }`, `{ present: false }`.",
      polarityValue: "names and values",
    });
}

function fieldCondition(name: string, { exact, prefix, present }: Condition): FieldCondition {
  if (exact !== undefined) return { kind: "exact", name, value: exact };
  if (prefix !== undefined) return { kind: "prefix", name, value: prefix };
  return { kind: present === false ? "absent" : "present", name };
}

interface Condition {
  readonly exact?: string | undefined;
  readonly prefix?: string | undefined;
  readonly present?: boolean | undefined;
}

function refusedCondition(name: string): string {
  if (name === "host") return "say host for the host to match";
  if (!/^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(name)) return `expected the name of a field, not ${JSON.stringify(name)}`;
  return "";
}

function checkValue(value: string): string {
  if (!isPlainValue(value))
    throw new Error("expected printable ASCII without blanks at its ends and without line breaks");
  return value;
}

function split() {
  const error = "expected services and whole numbers from 0 to 1000000";
  return z
    .record(z.string(), z.int({ error }).min(0, { error }).max(1_000_000, { error }), { error })
    .optional()
    .transform((weights, context): readonly ServiceShare[] => {
      if (weights === undefined) return [];
      const shares = Object.entries(weights).map(([service, weight]) => ({ service, weight }));
      for (const { service } of shares) {
        try {
          checkServiceName(service);
        } catch (wrong) {
          context.issues.push({ code: "custom", input: service, path: [service], message: messageOf(wrong) });
        }
      }
      if (shares.every(({ weight }) => weight === 0))
        context.issues.push({ code: "custom", input: weights, message: "expected a weight above 0" });
      return shares;
    })
    .describe("Services that divide the requests, each with its weight: `{ web: 90, web-canary: 10 }`.");
}

function headerChanges(help: string) {
  const fields = (what: string) =>
    z
      .record(z.string(), parsed("a value", checkValue, ""), {
        error: "expected names of fields and values",
      })
      .prefault({})
      .transform((pairs, context) => {
        for (const name of Object.keys(pairs)) {
          const message = refusedField(name);
          if (message !== "") context.issues.push({ code: "custom", input: name, path: [name], message });
        }
        return Object.entries(pairs);
      })
      .describe(what);
  const name = parsed("the name of a field", checkFieldName, "A field's name.");
  return section({
    set: fields("Fields that have just this value, whatever came."),
    add: fields("Fields that come besides what is there."),
    remove: list(name, "Fields that go."),
  })
    .optional()
    .transform((changes) => (changes === undefined ? undefined : headerRules(changes.set, changes.add, changes.remove)))
    .describe(help);
}

function checkFieldName(name: string): string {
  const refused = refusedField(name);
  if (refused !== "") throw new Error(refused);
  return name;
}

const REDIRECT_TO = "expected https, a URL such as https://www.example.com, or a path such as /new";

function redirect() {
  const to = z
    .string({ error: REDIRECT_TO })
    .describe(
      "`https` for the same over https; a URL, which keeps the request's path and query where it has no path; or a path on the same host.",
    );
  const statusError = `expected one of ${REDIRECT_STATUSES.join(", ")}`;
  const portError = "expected a port from 1 to 65535";
  return z
    .union(
      [
        to,
        section({
          to,
          status: z
            .literal([...REDIRECT_STATUSES], { error: statusError })
            .default(308)
            .meta({ description: "301, 302, 303, 307 or 308.", polarityValue: "status" }),
          port: z
            .int({ error: portError })
            .min(1, { error: portError })
            .max(65_535, { error: portError })
            .optional()
            .describe("The port of `https`, if it is not 443."),
        }),
      ],
      { error: REDIRECT_TO },
    )
    .optional()
    .transform((given, context): Redirect | undefined => {
      if (given === undefined) return undefined;
      const {
        to: where,
        status,
        port,
      } = typeof given === "string" ? { to: given, status: 308, port: undefined } : given;
      const made = redirectTo(where, status, port ?? 0);
      const path = typeof given === "string" ? [] : ["to"];
      if (made === undefined) context.issues.push({ code: "custom", input: given, path, message: REDIRECT_TO });
      else if (port !== undefined && !made.toHttps)
        context.issues.push({ code: "custom", input: given, path: ["port"], message: "port needs to: https" });
      return made;
    })
    .describe(
      "Answer with a redirect. `https`, or `to` with a status; `https` may stand beside a service for what came so.",
    );
}

function withoutFinalSlash(path: string): string {
  return path.endsWith("/") ? path.slice(0, -1) : path;
}

function checkRewriteHost(value: string): string {
  const bytes = Buffer.from(value, "utf8");
  if (refusedHost(bytes, 0, bytes.length) !== "" || value.includes("%"))
    throw new Error(`expected a host such as app.internal, perhaps with a port (got ${value})`);
  return value;
}

function checkRouteHost(value: string): string {
  const host = value.toLowerCase();
  const labels = (host.startsWith("*.") ? host.slice(2) : host).split(".");
  const bare = host.replace(/^\[|\]$/g, "");
  if (isIPv6(bare)) return `[${bare}]`;
  if (isIP(host) !== 0) return host;
  if (host.length <= 253 && labels.every((label) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label))) return host;
  throw new Error(`expected a host such as app.example.com or *.example.com, without a port (got ${value})`);
}
