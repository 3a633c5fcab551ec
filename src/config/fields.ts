/** The kinds of value that the schema is made of: each states its form, bounds, default and help in one place. */
import { z } from "zod";
import { checkNodeName, checkServiceName } from "../base/argument.ts";
import { messageOf } from "../base/errors.ts";
import { LoadedText } from "./loaded-text.ts";

/** Reads a file that the configuration names; throws a `PolarityError` that says why it cannot. By default it holds secrets. */
export type ReadFile = (path: string, contents?: "secret" | "public") => LoadedText;

const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds of `250ms`, `5s`, `1m`, `1h` or `1d`; undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  const match = DURATION.exec(text);
  const unit = UNIT_MS[match?.[2] ?? ""];
  return match === null || unit === undefined ? undefined : Math.round(Number(match[1]) * unit);
}

const SIZE = /^(\d+)(B|KiB|MiB|GiB)$/;
const UNIT_BYTES: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** Bytes of `512B`, `64KiB`, `1MiB` or `2GiB`; undefined for anything else. */
export function parseSize(text: string): number | undefined {
  const match = SIZE.exec(text);
  const unit = UNIT_BYTES[match?.[2] ?? ""];
  return match === null || unit === undefined ? undefined : Number(match[1]) * unit;
}

interface Bounds {
  readonly min: string;
  readonly max: string;
  readonly byDefault: string;
  readonly help: string;
}

/** A duration as text, resolved to milliseconds. */
export function duration({ min, max, byDefault, help }: Bounds) {
  return quantity("duration", "5s, 250ms or 1m", DURATION, parseDuration, { min, max, byDefault, help });
}

/** The same where something else says what holds without one. */
export function optionalDuration({ min, max, help }: Omit<Bounds, "byDefault">) {
  return maybe(boundedQuantity("duration", "5s, 250ms or 1m", DURATION, parseDuration, { min, max })).meta({
    description: help,
    polarityRange: `${min} to ${max}`,
  });
}

/** A size as text, resolved to bytes. */
export function size({ min, max, byDefault, help }: Bounds) {
  return quantity("size", "64KiB or 1MiB", SIZE, parseSize, { min, max, byDefault, help });
}

/** The same where something else says what holds without one. */
export function optionalSize({ min, max, help }: Omit<Bounds, "byDefault">) {
  return maybe(boundedQuantity("size", "64KiB or 1MiB", SIZE, parseSize, { min, max })).meta({
    description: help,
    polarityRange: `${min} to ${max}`,
  });
}

function quantity(
  what: string,
  examples: string,
  pattern: RegExp,
  parse: (text: string) => number | undefined,
  { min, max, byDefault, help }: Bounds,
) {
  return boundedQuantity(what, examples, pattern, parse, { min, max })
    .prefault(byDefault)
    .meta({ description: help, polarityRange: `${min} to ${max}` });
}

function boundedQuantity(
  what: string,
  examples: string,
  pattern: RegExp,
  parse: (text: string) => number | undefined,
  { min, max }: Pick<Bounds, "min" | "max">,
) {
  const least = parse(min) ?? 0;
  const most = parse(max) ?? Number.POSITIVE_INFINITY;
  const expected = `expected a ${what} such as ${examples}`;
  return z
    .string({ error: expected })
    .regex(pattern, { error: expected, abort: true })
    .transform((text, context) => {
      const value = parse(text);
      if (value !== undefined && value >= least && value <= most) return value;
      context.issues.push({ code: "custom", input: text, message: `expected a ${what} from ${min} to ${max}` });
      return z.NEVER;
    });
}

/** A whole number. */
export function integer(min: number, max: number, byDefault: number, help: string) {
  const error = `expected a whole number from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error }).default(byDefault).describe(help);
}

/** True or false. */
export function flag(byDefault: boolean, help: string) {
  return z.boolean({ error: "expected true or false" }).default(byDefault).describe(help);
}

/** One of a few words. */
export function choice<const Words extends readonly [string, ...string[]]>(words: Words, help: string) {
  return z.enum(words, { error: `expected ${orList(words)}` }).describe(help);
}

/** Text of any kind, not empty. */
export function text(what: string, help: string) {
  const error = `expected ${what}`;
  return z.string({ error }).min(1, { error }).describe(help);
}

/** Text that `parse` turns into a value, or throws a `PolarityError` over. */
export function parsed<Value>(what: string, parse: (text: string) => Value, help: string) {
  return z
    .string({ error: `expected ${what}` })
    .transform((value, context): Value => {
      try {
        return parse(value);
      } catch (error) {
        context.issues.push({ code: "custom", input: value, message: messageOf(error) });
        return z.NEVER;
      }
    })
    .describe(help);
}

/** The path of a file whose text becomes the value. */
export function file(read: ReadFile, help: string) {
  return parsed("the path of a file", (path) => read(path), help);
}

/** The path of a file that holds one secret; blanks round it do not count. */
export function secretFile(read: ReadFile, help: string) {
  const load = (path: string): LoadedText => {
    const { origin, text } = read(path);
    const secret = text.trim();
    if (secret === "") throw new Error(`${path} is empty, a secret is expected in it`);
    if (/\s/.test(secret)) throw new Error(`${path} holds more than one word, one secret is expected in it`);
    return new LoadedText(origin, secret);
  };
  return parsed("the path of a file", load, help);
}

export function serviceName(help: string) {
  return parsed("a service's name", checkServiceName, help);
}

export function nodeName(help: string) {
  return parsed("a node's name", checkNodeName, help);
}

/** A key that may be left out; resolved, it is always there, as undefined. */
export function maybe<Schema extends z.ZodType>(schema: Schema) {
  return schema.optional().transform((value): z.output<Schema> | undefined => value);
}

/** A list that may be left out. */
export function list<Schema extends z.ZodType>(item: Schema, help: string) {
  return z.array(item, { error: "expected a list" }).prefault([]).describe(help);
}

/** A group of keys; any other key is an error. */
export function section<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  return z.strictObject(shape, {
    error: (issue) => (issue.code === "invalid_type" ? "expected a group of keys" : undefined),
  });
}

function orList(words: readonly string[]): string {
  return words.length === 1 ? `${words[0]}` : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}
