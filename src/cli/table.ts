/** Columns of text, aligned by their widest cell; numbers to the right. */
import { printable } from "../base/printable.ts";

export type Cell = string | number | boolean | null;

export function table(headings: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const texts = [headings, ...rows.map((row) => row.map((cell) => cellText(cell)))];
  const widths = headings.map((_, column) => Math.max(...texts.map((row) => displayWidth(row[column] ?? ""))));
  const right = headings.map(
    (_, column) => rows.length > 0 && rows.every((row) => typeof row[column] === "number" || row[column] === null),
  );
  return texts
    .map((row) => {
      const cells = row.map((text, column) => {
        const padding = " ".repeat((widths[column] ?? 0) - displayWidth(text));
        return right[column] === true ? padding + text : text + padding;
      });
      return `${cells.join("  ").trimEnd()}\n`;
    })
    .join("");
}

function cellText(cell: Cell): string {
  if (cell === null) return "-";
  if (typeof cell === "boolean") return cell ? "yes" : "no";
  // Names come from peers: nothing of them may steer the terminal.
  return printable(String(cell));
}

/** Made when it is needed: it takes longer than many a module, and most commands print no table. */
let segmenter: Intl.Segmenter | undefined;

function displayWidth(text: string): number {
  segmenter ??= new Intl.Segmenter();
  return [...segmenter.segment(text)].length;
}

/** 1536 → `1.5 KiB`. */
export function bytesText(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** 3725 → `1h2m`. */
export function secondsText(seconds: number): string {
  const whole = Math.floor(seconds);
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${whole % 60}s`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)}h${Math.floor((whole % 3600) / 60)}m`;
  return `${Math.floor(whole / 86_400)}d${Math.floor((whole % 86_400) / 3600)}h`;
}
