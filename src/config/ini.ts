/**
 * INI as Cloudbus writes it: sections, `key = value`, `#` and `;` comments, a key repeated for a list.
 *
 * Every value keeps its line, for messages. Names of sections and keys are in lower case. Pure.
 */
export interface IniEntry {
  readonly key: string;
  readonly value: string;
  readonly line: number;
}

export interface IniSection {
  readonly name: string;
  readonly line: number;
  readonly entries: readonly IniEntry[];
}

export interface IniFault {
  readonly line: number;
  readonly message: string;
}

export interface IniFile {
  readonly sections: readonly IniSection[];
  readonly faults: readonly IniFault[];
}

export function parseIni(text: string): IniFile {
  const sections: { name: string; line: number; entries: IniEntry[] }[] = [];
  const faults: IniFault[] = [];
  for (const [index, raw] of text
    .replace(/^\uFEFF/, "")
    .split(/\r\n|\n|\r/)
    .entries()) {
    const line = index + 1;
    // A comment begins a line or stands behind a blank, so that addresses may hold # and ;.
    const content = raw.replace(/(^|\s)[#;].*$/, "").trim();
    if (content === "") continue;
    if (content.startsWith("[")) {
      const name = /^\[([^[\]]+)\]$/.exec(content)?.[1]?.trim().toLowerCase();
      if (name === undefined || name === "") faults.push({ line, message: "expected [Name]" });
      else sections.push({ name, line, entries: [] });
      continue;
    }
    const equals = content.indexOf("=");
    const key = content.slice(0, equals).trim().toLowerCase();
    const section = sections.at(-1);
    if (equals < 0 || key === "") faults.push({ line, message: "expected key=value" });
    else if (section === undefined) faults.push({ line, message: `${key} stands before the first [Name]` });
    else section.entries.push({ key, value: content.slice(equals + 1).trim(), line });
  }
  return { sections, faults };
}
