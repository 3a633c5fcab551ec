/**
 * Fields that a message's own Connection field declares hop-by-hop (RFC 9110 §7.6.1). Rare, so the head's lines are read a
 * second time rather than remembered in the first.
 */
import { FieldLine } from "./field-line.ts";
import type { HeadLines } from "./head-lines.ts";

/** The mark of a line that never travels on, for requests and responses alike. */
export const LINE_HOP_BY_HOP = 0;

const line = new FieldLine();

/** `marks`, in order, with one for each line of the head just scanned whose name (in lower case) is in `named`. */
export function withNamed(
  text: string,
  lines: HeadLines,
  marks: readonly number[],
  named: ReadonlySet<string>,
): readonly number[] {
  const merged: number[] = [];
  let next = 0;
  for (let index = 1; index < lines.count - 1; index++) {
    const start = lines.ends[index - 1] as number;
    const end = lines.ends[index] as number;
    if (marks[next + 1] === start) {
      merged.push(marks[next] as number, start, end);
      next += 3;
    } else if (line.read(lines.bytes, start, end) === "" && named.has(line.name(text).toLowerCase())) {
      merged.push(LINE_HOP_BY_HOP, start, end);
    }
  }
  return merged;
}
