/**
 * What a recovery file says: the state of each analyzer at one moment, with a version and a checksum.
 *
 * `decode` takes any bytes. Whatever is not exactly what some `encode` of this version made is refused with a reason, so that
 * a file that was cut, mixed up, made by something else or by a clock that was wrong is never taken for statistics.
 */
import { describeJson, parseJson } from "../base/bounded-json.ts";
import { crc32c } from "../base/crc32c.ts";
import { messageOf } from "../base/errors.ts";
import { recordOf } from "./saved-state.ts";

export interface SavedAnalysis {
  /** As the configuration names it. */
  readonly analyzer: string;
  readonly state: Readonly<Record<string, unknown>>;
}

/** By the name of the place. */
export type SavedAnalyses = Readonly<Record<string, SavedAnalysis>>;

export type Decoded =
  | { readonly kind: "valid"; readonly savedAt: number; readonly analyses: SavedAnalyses }
  | { readonly kind: "bad"; readonly reason: string };

const FORMAT = "polarity-recovery";
const VERSION = 1;
/** The states of analyzers, which may be modules of users. */
const DEPTH_MAX = 100;
/** Clocks are set back a little all the time. */
const FUTURE_MS_MAX = 2_000;

/** `savedAt` is on the wall clock, as it has to be understood by another process. */
export function encodeRecovery(analyses: SavedAnalyses, savedAt: number): string {
  const body = JSON.stringify({ savedAt, analyses });
  return `{"format":"${FORMAT}","version":${VERSION},"crc32c":${checksum(body)},"body":${body}}\n`;
}

export function decodeRecovery(text: string, now: number): Decoded {
  try {
    const { format, version, crc32c: sum, body } = recordOf(parseJson(text, DEPTH_MAX));
    if (format !== FORMAT) return bad("it is not a recovery file of this program");
    if (version !== VERSION) return bad(`its version is ${describeJson(version)}, not ${VERSION}`);
    // What was parsed from JSON is written as the same JSON again: keys keep their order.
    if (sum !== checksum(JSON.stringify(body))) return bad("its checksum does not fit");
    const { savedAt, analyses } = recordOf(body);
    if (typeof savedAt !== "number") return bad("it does not say when it was saved");
    if (savedAt > now + FUTURE_MS_MAX) return bad(`it was saved in the future, at ${new Date(savedAt).toISOString()}`);
    return { kind: "valid", savedAt: Math.min(savedAt, now), analyses: savedAnalyses(analyses) };
  } catch (error) {
    return bad(`it cannot be understood: ${messageOf(error)}`);
  }
}

function savedAnalyses(value: unknown): SavedAnalyses {
  const entries = Object.entries(recordOf(value)).map(([place, saved]) => {
    const { analyzer, state } = recordOf(saved);
    return [place, { analyzer: String(analyzer), state: recordOf(state) }] as const;
  });
  return Object.fromEntries(entries);
}

function bad(reason: string): Decoded {
  return { kind: "bad", reason };
}

function checksum(text: string): number {
  return crc32c(Buffer.from(text, "utf8"));
}
