/**
 * How flags are declared: nearly every one also has an environment variable, `POLARITY_` and its name in capitals, and the
 * flag wins. A repeatable flag's variable holds several values with blanks between them.
 */
import { Argument, InvalidArgumentError, Option } from "commander";
import { messageOf } from "../base/errors.ts";
import { printable } from "../base/printable.ts";
import { suggest } from "../config/suggestion.ts";

/** A flag with a value, checked by `parse`. */
export function valueFlag(flags: string, help: string, parse: (text: string) => unknown): Option {
  return new Option(flags, help).env(variableOf(flags)).argParser((text: string) => checked(parse, text));
}

/** A flag that may be given several times. */
export function listFlag(flags: string, help: string, parse: (text: string) => unknown): Option {
  return ownListFlag(flags, help, parse).env(variableOf(flags));
}

/** The same without a variable: where another command's flag of that name means something else. */
export function ownListFlag(flags: string, help: string, parse: (text: string) => unknown): Option {
  return new Option(flags, help).argParser((text: string, previous: readonly unknown[] | undefined) => [
    ...(previous ?? []),
    ...text
      .split(/\s+/)
      .filter((word) => word !== "")
      .map((word) => checked(parse, word)),
  ]);
}

/** A flag without a value. Its variable says 1, true, yes or on; 0, false, no, off or nothing is as if it were not set. */
export function switchFlag(flags: string, help: string): Option {
  const variable = variableOf(flags);
  const value = (process.env[variable] ?? "").toLowerCase();
  const on = ["1", "true", "yes", "on"].includes(value);
  const option = new Option(flags, `${help} (env: ${variable})`);
  return on ? option.default(!option.negate, `${variable}=${value}`) : option;
}

export function choiceFlag(flags: string, help: string, choices: readonly string[]): Option {
  return new Option(flags, help).env(variableOf(flags)).choices(choices).argParser(oneOf(choices));
}

/** An argument that is one of some words, which completion and help know too. */
export function choiceArgument(name: string, help: string, choices: readonly string[]): Argument {
  return new Argument(name, help).choices(choices).argParser(oneOf(choices));
}

function oneOf(choices: readonly string[]): (value: string) => string {
  return (value) => {
    if (choices.includes(value)) return value;
    const meant = suggest(value, choices);
    const hint = meant === undefined ? "" : ` (did you mean ${meant}?)`;
    throw new InvalidArgumentError(`expected one of ${choices.join(", ")}, not ${printable(value)}${hint}`);
  };
}

export function text(value: string): string {
  if (value === "") throw new InvalidArgumentError("it is empty");
  return value;
}

export function wholeNumber(min: number, max: number): (text: string) => number {
  return (value) => {
    const number = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
    if (number >= min && number <= max) return number;
    throw new InvalidArgumentError(`expected a whole number from ${min} to ${max}`);
  };
}

/** `--token-file <path>` → `POLARITY_TOKEN_FILE`. */
export function variableOf(flags: string): string {
  const long = /--([a-z-]+)/.exec(flags)?.[1] ?? flags;
  return `POLARITY_${long.toUpperCase().replaceAll("-", "_")}`;
}

export function checked<Value>(parse: (text: string) => Value, value: string): Value {
  try {
    return parse(value);
  } catch (error) {
    throw new InvalidArgumentError(messageOf(error));
  }
}
