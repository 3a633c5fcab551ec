/** What a route asks of its exchanges; a listener has the same keys, as defaults of its routes. */
import { z } from "zod";
import type { ExchangePolicy, RetryPolicy, StickyPolicy } from "../session/exchange-policy.ts";
import { maybe, optionalDuration, section, serviceName, size } from "./fields.ts";

/** Keys of a route's or listener's section. Whatever is left out is the listener's, or else the built-in default. */
export function exchangeKeys() {
  return {
    timeout: optionalDuration({
      min: "0s",
      max: "24h",
      help: "How long until an answer begins, waiting and further offers included, before 504. `0s` or left out: no limit.",
    }),
    stallTimeout: optionalDuration({
      min: "0s",
      max: "24h",
      help: "How long an app may send nothing in the middle of its answer's body before it is cut; `5m` where left out. `0s`: no limit. Tunnels (websockets) have none.",
    }),
    retries: retriesSection(),
    hedge: hedgeSection(),
    mirror: mirrorSection(),
    sticky: stickySection(),
  };
}

export const EXCHANGE_KEYS = ["timeout", "stallTimeout", "retries", "hedge", "mirror", "sticky"] as const;

type Shape = ReturnType<typeof exchangeKeys>;
export type ExchangeWishes = { readonly [Key in keyof Shape]: z.output<Shape[Key]> };

/** A section's values with those of `exchangeKeys` apart from the others. */
export function exchangeWishes<Values extends ExchangeWishes>({
  timeout,
  stallTimeout,
  retries,
  hedge,
  mirror,
  sticky,
  ...others
}: Values): [ExchangeWishes, Omit<Values, keyof ExchangeWishes>] {
  return [{ timeout, stallTimeout, retries, hedge, mirror, sticky }, others];
}

/** `base` with what was written in its place. */
export function exchangePolicy(wishes: ExchangeWishes, base: ExchangePolicy): ExchangePolicy {
  const { timeout, stallTimeout, retries, hedge, mirror, sticky } = wishes;
  return Object.freeze({
    timeoutMs: timeout ?? base.timeoutMs,
    stallTimeoutMs: stallTimeout ?? base.stallTimeoutMs,
    retries: retries === undefined ? base.retries : retryPolicy(retries, base.retries),
    hedge: hedge === undefined ? base.hedge : hedge.max > 1 ? hedge : undefined,
    mirror: mirror === undefined ? base.mirror : mirror.percent > 0 ? mirror : undefined,
    sticky: sticky === undefined ? base.sticky : stickyPolicy(sticky),
    fanOut: base.fanOut,
  });
}

function retryPolicy(
  { attempts, budget, floor, on }: NonNullable<ExchangeWishes["retries"]>,
  base: RetryPolicy,
): RetryPolicy {
  const statuses = on === undefined ? base.statuses : on.length === 0 ? undefined : on;
  return Object.freeze({
    attemptsMax: attempts ?? base.attemptsMax,
    share: budget ?? base.share,
    floorPerSecond: floor ?? base.floorPerSecond,
    statuses,
  });
}

function stickyPolicy({ cookie, header, maxAge }: NonNullable<ExchangeWishes["sticky"]>): StickyPolicy | undefined {
  if (cookie !== undefined) return { kind: "cookie", name: cookie, maxAgeSeconds: Math.trunc((maxAge ?? 0) / 1000) };
  return header === undefined ? undefined : { kind: "header", name: header.toLowerCase(), maxAgeSeconds: 0 };
}

function retriesSection() {
  const attempts = "expected a whole number from 1 to 16";
  const floor = "expected a whole number from 0 to 100000";
  const status = "expected 502, 503 or 504";
  return maybe(
    section({
      attempts: maybe(
        z
          .int({ error: attempts })
          .min(1, { error: attempts })
          .max(16, { error: attempts })
          .describe("Offers that a request may try, the first included; 4 where left out. 1: no retries."),
      ),
      budget: maybe(
        percentage(
          "Retries and hedges, as a share of the service's requests of the last ten seconds; `20%` where left out.",
        ),
      ),
      floor: maybe(
        z
          .int({ error: floor })
          .min(0, { error: floor })
          .max(100_000, { error: floor })
          .describe("Retries and hedges a second that a service may have in any case; 100 where left out."),
      ),
      on: z
        .array(
          z.int({ error: status }).refine((code) => code >= 502 && code <= 504, { error: status }),
          { error: `expected a list: ${status.replace("expected ", "")}` },
        )
        .optional()
        .describe(
          "Statuses of the app (502, 503, 504) for which another offer is tried: for safe requests without a body. What never reached an app is tried again in any case.",
        ),
    }),
  ).describe(
    "What becomes of a request whose offer fails. Retries that the budget does not allow are not made: the client gets the failure.",
  );
}

function percentage(help: string) {
  const error = "expected a percentage from 0% to 100%, such as 20%";
  return z
    .string({ error })
    .regex(/^\d{1,3}(\.\d{1,3})?%$/, { error, abort: true })
    .transform((text, context) => {
      const share = Number(text.slice(0, -1)) / 100;
      if (share <= 1) return share;
      context.issues.push({ code: "custom", input: text, message: error });
      return z.NEVER;
    })
    .meta({ description: help, polarityRange: "0% to 100%" });
}

function hedgeSection() {
  const max = "expected a whole number from 1 to 8";
  return maybe(
    section({
      after: optionalDuration({
        min: "1ms",
        max: "10m",
        help: "How long an offer may say nothing before another is asked too; `200ms` where left out.",
      }),
      max: z
        .int({ error: max })
        .min(1, { error: max })
        .max(8, { error: max })
        .default(2)
        .describe("Offers that are asked at once, the first included. 1: none but the first."),
    }).transform(({ after, max: most }) => ({ afterMs: after ?? 200, max: most })),
  ).describe(
    "Asks a further offer while the first is silent: for safe requests without a body. The first answer serves.",
  );
}

function mirrorSection() {
  const percent = "expected a number from 0 to 100";
  return maybe(
    section({
      service: serviceName("The service that gets a copy of requests; its answers are dropped."),
      percent: z
        .number({ error: percent })
        .min(0, { error: percent })
        .max(100, { error: percent })
        .default(100)
        .describe("How many of a hundred requests are copied. 0: none."),
      body: size({
        min: "0B",
        max: "64MiB",
        byDefault: "256KiB",
        help: "How much of a body is copied; a longer one breaks the copy off, never the request.",
      }),
    }).transform(({ service, percent: share, body }) => ({ service, percent: share, bodyBytesMax: body })),
  ).describe(
    "Sends a copy of requests to another service, marked with X-Polarity-Mirror. Nothing that it does reaches the client.",
  );
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}$/;

function stickySection() {
  const name = (what: string, help: string) =>
    maybe(
      z
        .string({ error: `expected ${what}` })
        .regex(TOKEN, { error: `expected ${what}` })
        .describe(help),
    );
  return maybe(
    section({
      cookie: name(
        "a cookie's name",
        "Of the cookie that is set, and keeps a client with the node that answered it first.",
      ),
      header: name("a field's name", "Of the request field whose value decides: the same value, the same node."),
      maxAge: optionalDuration({
        min: "1s",
        max: "10000h",
        help: "How long the client keeps the cookie. Left out: until it closes.",
      }),
    }).superRefine(({ cookie, header, maxAge }, context) => {
      if (cookie !== undefined && header !== undefined)
        context.addIssue({
          code: "custom",
          path: ["header"],
          message: "a route is sticky by a cookie or a header, not both",
        });
      if (maxAge !== undefined && cookie === undefined)
        context.addIssue({ code: "custom", path: ["maxAge"], message: "maxAge is a cookie's: set cookie" });
    }),
  ).describe(
    "Keeps a client with one node as long as that offers the service. Without a cookie or header: not sticky.",
  );
}
