/** The keys by which a service, or a listener, spreads each session over several servers. */
import { z } from "zod";
import { DEFAULT_DATAGRAM_FAN_OUT, DEFAULT_FAN_OUT, type FanOutPolicy } from "../base/fan-out-policy.ts";
import type { StreamProtocol } from "../base/upstream.ts";
import { choice, maybe, optionalSize } from "./fields.ts";

export const MODES = ["one", "half-duplex", "full-duplex"] as const;

/** What follows from the mode; without one of several servers none of them means anything. */
export function fanOutKeys() {
  return {
    slowest: maybe(
      choice(
        ["wait", "drop"],
        "One-to-N modes: whether the others `wait` for a server that is further behind than the buffer holds, or it is `drop`ped if it does not catch up within 2 s; of datagrams it misses some. By default streams wait and datagrams are dropped.",
      ),
    ),
    buffer: optionalSize({
      min: "1KiB",
      max: "64MiB",
      help: "One-to-N modes: how far servers of one session may be apart, and what is kept of it for servers to come; `1MiB` where left out, of datagrams `256KiB` where left out.",
    }),
    join: maybe(
      z
        .union([z.boolean(), z.enum(["yes", "no"]).transform((word) => word === "yes")], {
          error: "expected yes or no",
        })
        .meta({
          description:
            "One-to-N modes: `yes` lets a server that comes while a session is open take part, if all that the client sent is still kept; of datagrams, from then on. By default it does so for datagrams only.",
        }),
    ),
  };
}

export type FanOutWishes = {
  readonly mode: (typeof MODES)[number] | undefined;
  readonly slowest: "wait" | "drop" | undefined;
  readonly buffer: number | undefined;
  readonly join: boolean | undefined;
};

export function fanOutPolicy(
  { mode, slowest, buffer, join }: FanOutWishes,
  protocol: StreamProtocol,
): FanOutPolicy | undefined {
  if (mode === undefined || mode === "one") return undefined;
  const usual = protocol === "udp" ? DEFAULT_DATAGRAM_FAN_OUT : DEFAULT_FAN_OUT;
  return Object.freeze({
    mode,
    slowest: slowest ?? usual.slowest,
    bufferBytes: buffer ?? usual.bufferBytes,
    join: join ?? usual.join,
  });
}

/** The key that means nothing in mode `one`, and what is wrong with it. */
export function fanOutProblem(wishes: FanOutWishes): readonly [string, string] | undefined {
  if (wishes.mode !== undefined && wishes.mode !== "one") return undefined;
  const useless = (["slowest", "buffer", "join"] as const).find((key) => wishes[key] !== undefined);
  return useless && [useless, `${useless} needs mode: half-duplex or full-duplex`];
}
