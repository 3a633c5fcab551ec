/**
 * What people write without quotes, and what only they read: `name: 007` is the text `007` where text is wanted, and a key that
 * begins with `x-`, where no such key is known, is left out. The schema says where; this changes the raw value to fit.
 */
import type { z } from "zod";
import type { ConfigPath } from "./problems.ts";

type Issues = readonly z.core.$ZodIssue[];

/** The value with all of that mended which the issues tell of; undefined where there is nothing. */
export function mend(raw: unknown, issues: Issues, written: (path: ConfigPath) => string | undefined): unknown {
  let mended = raw;
  for (const path of textsWanted(issues)) {
    const text = isBare(valueAt(raw, path)) ? written(path) : undefined;
    if (text !== undefined) mended = changed(mended, path, () => text);
  }
  for (const { path, keys } of unknownKeys(issues)) {
    const own = keys.filter((key) => key.startsWith("x-"));
    if (own.length > 0) mended = changed(mended, path, (group) => without(group, own));
  }
  return mended === raw ? undefined : mended;
}

/** Paths at which nothing but text, or one of a few words, would do. */
function textsWanted(issues: Issues, around: ConfigPath = []): ConfigPath[] {
  return issues.flatMap((issue) => {
    const path = [...around, ...issue.path];
    if (issue.code === "invalid_type") return issue.expected === "string" ? [path] : [];
    if (issue.code === "invalid_value") return [path];
    return issue.code === "invalid_union" ? issue.errors.flatMap((form) => textsWanted(form, path)) : [];
  });
}

function unknownKeys(issues: Issues, around: ConfigPath = []): { path: ConfigPath; keys: readonly string[] }[] {
  return issues.flatMap((issue) => {
    const path = [...around, ...issue.path];
    if (issue.code === "unrecognized_keys") return [{ path, keys: issue.keys }];
    return issue.code === "invalid_union" ? issue.errors.flatMap((form) => unknownKeys(form, path)) : [];
  });
}

function isBare(value: unknown): boolean {
  return value === null || typeof value === "number" || typeof value === "boolean" || typeof value === "bigint";
}

function valueAt(raw: unknown, path: ConfigPath): unknown {
  let value = raw;
  for (const key of path) value = isGroup(value) && Object.hasOwn(value, key) ? value[String(key)] : undefined;
  return value;
}

/** A copy along the path: what aliases share stays as it is elsewhere. */
function changed(value: unknown, path: ConfigPath, change: (value: unknown) => unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return change(value);
  if (Array.isArray(value)) return value.map((item: unknown, at) => (at === key ? changed(item, rest, change) : item));
  return isGroup(value) ? { ...value, [String(key)]: changed(value[String(key)], rest, change) } : value;
}

function without(value: unknown, keys: readonly string[]): unknown {
  return isGroup(value) ? Object.fromEntries(Object.entries(value).filter(([key]) => !keys.includes(key))) : value;
}

function isGroup(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
