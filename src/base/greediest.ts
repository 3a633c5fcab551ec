/**
 * Who gives way when something that many share has run short: those who have most of it.
 *
 * What each has is counted along a path, such as address, connection, stream. At each step whoever has more than the level
 * at which all would fit gives way, the greatest first, down to that level and no further: who has less than its share
 * keeps all of it, however many others there are. Of equals the one that stands still longest goes first.
 *
 * O(n log n). Pure. It knows nothing of what is shared.
 */

export interface Share {
  /** Whose it is, from the whole to the part; all paths of one call have the same length. */
  readonly path: readonly string[];
  readonly amount: number;
  /** For how long nothing of it has moved. */
  readonly stillMs: number;
}

interface Group<Item> {
  amount: number;
  stillMs: number;
  readonly items: Item[];
  readonly groups: Map<string, Group<Item>>;
}

/** The shares to take away so that `excess` is free, in that order; all of them where that is not enough. */
export function greediest<Item extends Share>(shares: readonly Item[], excess: number): Item[] {
  const root = newGroup<Item>();
  for (const share of shares) {
    let group = root;
    add(group, share);
    for (const name of share.path) {
      let next = group.groups.get(name);
      if (next === undefined) group.groups.set(name, (next = newGroup()));
      add(next, share);
      group = next;
    }
    group.items.push(share);
  }
  const taken: Item[] = [];
  if (excess > 0) takeFrom(root, excess, taken);
  return taken;
}

/** The greatest level at which everybody's amount, cut to it, fits into `total` together. */
export function shareLevel(amounts: readonly number[], total: number): number {
  const rising = amounts.toSorted((left, right) => left - right);
  let left = Math.max(0, total);
  for (const [index, amount] of rising.entries()) {
    const each = left / (rising.length - index);
    if (amount >= each) return each;
    left -= amount;
  }
  return Number.POSITIVE_INFINITY;
}

/** Returns what was freed, which may be more: what is taken is taken whole. */
function takeFrom<Item extends Share>(group: Group<Item>, excess: number, taken: Item[]): number {
  let freed = 0;
  for (const item of group.items.sort(byGreed)) {
    if (freed >= excess) return freed;
    taken.push(item);
    freed += item.amount;
  }
  const groups = [...group.groups.values()].sort(byGreed);
  const amounts = groups.map(({ amount }) => amount);
  const level = shareLevel(amounts, group.amount - excess);
  for (const each of groups) {
    const over = Math.min(each.amount - level, excess - freed);
    if (over <= 0) return freed;
    freed += takeFrom(each, over, taken);
  }
  return freed;
}

function byGreed(left: Pick<Share, "amount" | "stillMs">, right: Pick<Share, "amount" | "stillMs">): number {
  return right.amount - left.amount || right.stillMs - left.stillMs;
}

function newGroup<Item>(): Group<Item> {
  return { amount: 0, stillMs: 0, items: [], groups: new Map() };
}

function add<Item extends Share>(group: Group<Item>, { amount, stillMs }: Share): void {
  group.amount += amount;
  if (stillMs > group.stillMs) group.stillMs = stillMs;
}
