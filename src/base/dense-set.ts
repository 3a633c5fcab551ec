/**
 * A set of objects that come and go with every request: an array in which each member knows its place.
 *
 * add and delete: O(1). The built-in Set would do, but each time it grows or shrinks its old table keeps a reference to the
 * new one; once such a table is old enough, it keeps every later member alive until the next full collection.
 */

export interface DenseMember {
  /** The set's to change; a negative number while it is in none. */
  denseIndex: number;
}

export class DenseSet<Member extends DenseMember> {
  readonly #members: Member[] = [];

  get size(): number {
    return this.#members.length;
  }

  /** The member must be in no other set. */
  add(member: Member): void {
    member.denseIndex = this.#members.push(member) - 1;
  }

  /** Does nothing when the member is not in the set. */
  delete(member: Member): void {
    const at = member.denseIndex;
    if (at < 0) return;
    member.denseIndex = -1;
    const last = this.#members.pop()!;
    if (last === member) return;
    this.#members[at] = last;
    last.denseIndex = at;
  }

  /** Every member once, as long as `visit` deletes no other than the one that it is given. */
  forEach(visit: (member: Member) => void): void {
    for (let index = this.#members.length - 1; index >= 0; index--) {
      const member = this.#members[index];
      if (member !== undefined) visit(member);
    }
  }
}
