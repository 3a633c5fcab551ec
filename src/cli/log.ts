/**
 * Logs: pretty lines on a terminal, JSON elsewhere, always on standard error, because standard output belongs to `dial`'s
 * bytes and to statistics.
 */
import { type LogFn, pino } from "pino";
import type { PrettyOptions } from "pino-pretty";
import type { Logger } from "../base/clock.ts";
import { PolarityError } from "../base/errors.ts";
import { printable } from "../base/printable.ts";
import type { LogConfig } from "../config/node-config.ts";

export async function createLogger(config: LogConfig, nodeName: string): Promise<Logger> {
  const isPretty = config.format === "pretty" || (config.format === "auto" && process.stderr.isTTY);
  const options = {
    level: config.level,
    base: isPretty ? null : { name: nodeName },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    // The one place through which every line goes: names and messages of peers, apps and clients are in many.
    hooks: { logMethod: logPrintable },
    serializers: { err: errorFields(config), error: errorFields(config), cause: errorFields(config) },
  };
  // Synchronous: lines come out in order with the rest of the output, and none is lost when the process ends.
  let logger: Logger;
  if (isPretty) {
    // Loaded late: most logs go to no terminal.
    const { default: pretty } = await import("pino-pretty");
    logger = pino(options, pretty(prettyOptions(config)));
  } else {
    logger = pino(options, pino.destination({ dest: 2, sync: true }));
  }
  return logger;
}

function prettyOptions({ level }: LogConfig): PrettyOptions {
  return {
    sync: true,
    destination: 2,
    colorize: wantsColor(process.stderr),
    // The messages say it all; the fields are for programs, and for whoever debugs.
    ...(level === "debug" ? { singleLine: true } : { hideObject: true }),
    translateTime: "SYS:HH:MM:ss",
    ignore: "pid,hostname",
  };
}

/** True where colour helps: a terminal whose user did not ask for none (https://no-color.org). */
export function wantsColor(stream: { readonly isTTY?: boolean }): boolean {
  const off = process.env["NO_COLOR"];
  return stream.isTTY === true && (off === undefined || off === "") && process.env["TERM"] !== "dumb";
}

/** Nothing that is said may steer a terminal or look like another line. */
function logPrintable(this: unknown, args: Parameters<LogFn>, method: LogFn): void {
  method.apply(this, args.map(harmless) as Parameters<LogFn>);
}

/** A message, or the fields beside it. Errors are written by `errorFields`. */
function harmless(value: unknown): unknown {
  if (typeof value === "string") return printable(value);
  if (Array.isArray(value)) return value.map(harmless);
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [printable(key), harmless(part)]));
}

/** Errors as one line; with their stack only where the user debugs. */
function errorFields({ level }: LogConfig): (value: unknown) => unknown {
  return (value) => {
    if (!(value instanceof Error)) return value;
    const text = value instanceof PolarityError ? `${value.code}: ${value.message}` : value.message;
    if (level !== "debug") return printable(text);
    const frames = (value.stack ?? "").split("\n").filter((line) => /^ {4}at /.test(line));
    return [text, ...frames].map(printable).join("\n");
  };
}
