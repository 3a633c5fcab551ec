/** What is wrong with a configuration, as lines for people: which key, what was expected, perhaps what was meant. */
import type { z } from "zod";
import { PolarityError } from "../base/errors.ts";
import { suggest } from "./suggestion.ts";

export type ConfigPath = readonly PropertyKey[];

export interface ConfigProblem {
  /** The way to the value from the top. */
  readonly path: ConfigPath;
  readonly message: string;
  /** The key itself is wrong, rather than its value. */
  readonly atKey: boolean;
}

/** One problem per wrong thing; `knownKeys` says which keys belong at a path. */
export function problemsOf(
  issues: readonly z.core.$ZodIssue[],
  knownKeys: (path: ConfigPath) => readonly string[],
): ConfigProblem[] {
  return issues.flatMap((issue): ConfigProblem[] => {
    const meant = issue.code === "invalid_union" ? meantForm(issue.errors) : undefined;
    if (meant !== undefined) {
      const below = (key: ConfigPath): readonly string[] => knownKeys([...issue.path, ...key]);
      return problemsOf(meant, below).map((problem) => ({ ...problem, path: [...issue.path, ...problem.path] }));
    }
    if (issue.code !== "unrecognized_keys") return [{ path: issue.path, message: issue.message, atKey: false }];
    const known = knownKeys(issue.path);
    return issue.keys.map((key) => ({
      path: [...issue.path, key],
      message: `unknown key${hint(suggest(key, known), known)}`,
      atKey: true,
    }));
  });
}

/** Of the forms that a value may have, the one that it was written in, if that can be told by its kind. */
function meantForm(forms: readonly (readonly z.core.$ZodIssue[])[]): readonly z.core.$ZodIssue[] | undefined {
  const meant = forms.filter(
    (issues) => !issues.some(({ code, path }) => code === "invalid_type" && path.length === 0),
  );
  return meant.length === 1 ? meant[0] : undefined;
}

function hint(meant: string | undefined, known: readonly string[]): string {
  if (meant !== undefined) return `; did you mean ${meant}?`;
  return known.length === 0 ? "" : `; known here: ${known.join(", ")}`;
}

/** `listeners[1].url`; keys that are no plain words are quoted: `services["*"].target`. */
export function formatPath(path: ConfigPath): string {
  let text = "";
  for (const key of path) {
    if (typeof key === "number") text += `[${key}]`;
    else if (/^[\w-]+$/.test(String(key))) text += text === "" ? String(key) : `.${String(key)}`;
    else text += `[${JSON.stringify(String(key))}]`;
  }
  return text;
}

/** All problems as one error, one line each; `place` says where each is (`polarity.yaml:5:13`, `--listen`). */
export function configInvalid(
  problems: readonly ConfigProblem[],
  place: (problem: ConfigProblem) => string,
): PolarityError {
  const lines = problems.map((problem) => {
    const parts = [place(problem), formatPath(problem.path), problem.message];
    return parts.filter((part) => part !== "").join(": ");
  });
  return new PolarityError("CONFIG_INVALID", lines.join("\n"));
}
