/** The figures as a table for people and as JSON for programs. Medians, and every sample in JSON. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Machine } from "./machine.ts";
import type { BenchOptions } from "./options.ts";
import type { Row } from "./rows/row.ts";
import { figureOf, judge, median, ratioOf, type Bar, type Line, type Sheet } from "./sheet.ts";

export interface RowOutcome {
  readonly row: Row;
  readonly sheet: Sheet;
  /** Why the row was not run, or not to its end. */
  readonly skipped?: string;
  readonly broken?: string;
}

export interface Report {
  readonly startedAt: Date;
  readonly machine: Machine;
  readonly options: BenchOptions;
  readonly outcomes: readonly RowOutcome[];
}

/** Above this share of the machine used by strangers, ratios are not to be trusted. */
const FOREIGN_SHARE_MAX = 0.05;

export function allHeld(report: Report): boolean {
  return report.outcomes.every(
    ({ sheet, broken }) => broken === undefined && sheet.lines.every((line) => judge(line)?.held !== false),
  );
}

export function renderReport(report: Report): string {
  const { machine, options } = report;
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`);
  const head = [
    `${machine.processor}, ${machine.cores} cores shared by client, app and both hops; Linux ${machine.kernel}`,
    versions.join(", "),
    `medians of ${options.rounds} rounds of ${options.seconds} s; bars in [brackets]`,
  ];
  return [...head, ...report.outcomes.map(renderOutcome)].join("\n");
}

export function writeReport(report: Report): string {
  const { startedAt, machine, options } = report;
  const rows = report.outcomes.map(({ row, sheet, skipped, broken }) => ({
    row: row.name,
    title: row.title,
    skipped,
    broken,
    foreignShareMax: sheet.foreignShareMax,
    notes: sheet.notes,
    lines: sheet.lines.map((line) => ({
      what: line.what,
      unit: line.unit,
      medians: Object.fromEntries([...line.samples].map(([subject, samples]) => [subject, median(samples)])),
      samples: Object.fromEntries(line.samples),
      bar: line.bar,
      verdict: judge(line),
    })),
  }));
  mkdirSync(options.resultsFolder, { recursive: true });
  const file = join(options.resultsFolder, `${startedAt.toISOString().replaceAll(":", "-").slice(0, 19)}.json`);
  writeFileSync(file, `${JSON.stringify({ startedAt, machine, options, rows }, undefined, 2)}\n`);
  return file;
}

function renderOutcome({ row, sheet, skipped, broken }: RowOutcome): string {
  const lines = [`\n${row.name}: ${row.title}`];
  if (skipped !== undefined) return [...lines, `  skipped: ${skipped}`].join("\n");
  if (sheet.lines.length > 0) lines.push(...renderTable(sheet.lines));
  lines.push(...sheet.notes.map((note) => `  note: ${note}`));
  if (sheet.foreignShareMax > FOREIGN_SHARE_MAX) {
    lines.push(`  note: others used up to ${Math.round(sheet.foreignShareMax * 100)}% of the machine meanwhile`);
  }
  if (broken !== undefined) lines.push(`  BROKEN: ${broken}`);
  return lines.join("\n");
}

function renderTable(lines: readonly Line[]): string[] {
  const subjects = [...new Set(lines.flatMap((line) => [...line.samples.keys()]))];
  const reference = subjects.find((subject) => subject.startsWith("haproxy"));
  const withRatio = reference !== undefined && subjects.includes("polarity");
  const header = ["", "", ...subjects, ...(withRatio ? ["÷ haproxy"] : []), "", ""];
  const body = lines.map((line) => {
    const values = subjects.map((subject) => formatValue(figureOf(line, subject)));
    const ratio = withRatio ? [formatRatio(line)] : [];
    return [line.what, line.unit, ...values, ...ratio, ...formatVerdict(line)];
  });
  const cells = [header, ...body];
  const widths = header.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  return cells.map((row) =>
    `  ${row
      .map((cell, column) => {
        const isText = column < 2 || column >= row.length - 2;
        return isText ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0);
      })
      .join("  ")}`.trimEnd(),
  );
}

function formatRatio(line: Line): string {
  const reference = [...line.samples.keys()].find((subject) => subject.startsWith("haproxy"));
  if (reference === undefined) return "";
  const ratio = ratioOf(line, "polarity", reference);
  return Number.isFinite(ratio) ? `${ratio.toFixed(2)}×` : "";
}

function formatVerdict(line: Line): [string, string] {
  if (line.bar === undefined) return ["", ""];
  const verdict = judge(line);
  return [`[${formatBar(line.bar)}]`, verdict === undefined ? "" : verdict.held ? "pass" : "FAIL"];
}

function formatBar(bar: Bar): string {
  const limit = "atLeast" in bar ? `≥ ${bar.atLeast}` : `≤ ${bar.atMost}`;
  const ofWhat = bar.of === undefined ? "" : `× ${bar.of}`;
  return `${limit}${ofWhat}${bar.everyRound === true ? " in every round" : ""}`;
}

function formatValue(value: number): string {
  if (Number.isNaN(value)) return "–";
  const digits = Math.abs(value) >= 1_000 || Number.isInteger(value) ? 0 : Math.abs(value) >= 100 ? 1 : 2;
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
