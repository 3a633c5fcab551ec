/** The part of docs/CONFORMANCE.md that follows from the cases: how many there are of each section. */
import { casesBySection } from "./cases.ts";

export function conformanceReference(): string {
  const rows = [...casesBySection()].map(([section, cases]) => [section, String(cases.length)] as const);
  const total = rows.reduce((sum, [, count]) => sum + Number(count), 0);
  const widest = Math.max(...rows.map(([section]) => section.length));
  const line = (section: string, count: string): string => `| ${section.padEnd(widest)} | ${count.padStart(5)} |`;
  return [
    line("Section", "Cases"),
    `| ${"-".repeat(widest)} | ----: |`,
    ...rows.map(([section, count]) => line(section, count)),
    line("All", String(total)),
    "",
  ].join("\n");
}
