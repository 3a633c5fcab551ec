/** Reads what a recovery file says, which may be anything: each of these throws unless the value is what is asked for. */

export function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("expected a group of keys");
  return value as Readonly<Record<string, unknown>>;
}

export function listOf(value: unknown, lengthMax: number): readonly unknown[] {
  if (!Array.isArray(value) || value.length > lengthMax) throw new Error(`expected a list of at most ${lengthMax}`);
  return value;
}

export function pairOf(value: unknown): readonly [unknown, unknown] {
  const pair = listOf(value, 2);
  if (pair.length !== 2) throw new Error("expected a pair");
  return [pair[0], pair[1]];
}

export function integerIn(value: unknown, max: number): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > max) {
    throw new Error(`expected a whole number of at most ${max}`);
  }
  return value;
}
