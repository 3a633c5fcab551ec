/**
 * The figures of one row, as they are gathered: a line is one quantity, a subject is whose it is.
 *
 * Every round adds one sample per subject; the median is taken when the sheet is read.
 */
export type Bar = BarOptions & ({ readonly atLeast: number } | { readonly atMost: number });

interface BarOptions {
  readonly subject: string;
  /** The bar is a ratio to this subject's figure. */
  readonly of?: string;
  /** The worst round counts, not the median: two rounds without a failure do not excuse a third. */
  readonly everyRound?: boolean;
}

export interface Line {
  readonly what: string;
  readonly unit: string;
  readonly samples: ReadonlyMap<string, readonly number[]>;
  readonly bar: Bar | undefined;
}

export interface Verdict {
  /** The measured value that is held against the bar: a ratio when the bar names a reference. */
  readonly value: number;
  readonly held: boolean;
}

interface OpenLine {
  readonly what: string;
  readonly unit: string;
  readonly samples: Map<string, number[]>;
}

export class Sheet {
  readonly notes: string[] = [];
  /** The largest share of the machine that strangers used while a figure was taken. */
  foreignShareMax = 0;
  readonly #lines = new Map<string, OpenLine>();
  readonly #bars = new Map<string, Bar>();

  /** In the order in which they were first measured. */
  get lines(): readonly Line[] {
    return [...this.#lines].map(([key, { what, unit, samples }]) => ({
      what,
      unit,
      samples,
      bar: this.#bars.get(key),
    }));
  }

  add(what: string, unit: string, subject: string, value: number): void {
    const key = keyOf(what, unit);
    const line = this.#lines.get(key) ?? { what, unit, samples: new Map<string, number[]>() };
    this.#lines.set(key, line);
    const earlier = line.samples.get(subject);
    if (earlier === undefined) line.samples.set(subject, [value]);
    else earlier.push(value);
  }

  bar(what: string, unit: string, bar: Bar): void {
    this.#bars.set(keyOf(what, unit), bar);
  }

  foreign(share: number): void {
    this.foreignShareMax = Math.max(this.foreignShareMax, share);
  }

  note(text: string): void {
    if (!this.notes.includes(text)) this.notes.push(text);
  }
}

export function median(samples: readonly number[]): number {
  if (samples.length === 0) return Number.NaN;
  const sorted = samples.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** What a line says of a subject: the median, or the worst when its bar holds for every round. NaN when not measured. */
export function figureOf({ samples, bar }: Line, subject: string): number {
  const values = samples.get(subject) ?? [];
  if (bar?.everyRound !== true || values.length === 0) return median(values);
  return "atLeast" in bar ? Math.min(...values) : Math.max(...values);
}

/**
 * One subject's figure over another's. Where both were measured in the same rounds it is the median of the rounds' ratios:
 * a machine whose speed drifts was the same for both within a round, and is not from one round to the next.
 */
export function ratioOf(line: Line, subject: string, reference: string): number {
  const figures = line.samples.get(subject) ?? [];
  const references = line.samples.get(reference) ?? [];
  if (figures.length !== references.length || line.bar?.everyRound === true) {
    return figureOf(line, subject) / figureOf(line, reference);
  }
  return median(figures.map((figure, round) => figure / (references[round] ?? Number.NaN)));
}

/** Undefined when there is no bar, or when a figure that it needs was not measured. */
export function judge(line: Line): Verdict | undefined {
  const bar = line.bar;
  if (bar === undefined) return undefined;
  const value = bar.of === undefined ? figureOf(line, bar.subject) : ratioOf(line, bar.subject, bar.of);
  if (Number.isNaN(value)) return undefined;
  return { value, held: "atLeast" in bar ? value >= bar.atLeast : value <= bar.atMost };
}

function keyOf(what: string, unit: string): string {
  return `${what}\n${unit}`;
}
