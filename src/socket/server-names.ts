/**
 * Values by the host names that they are for: exact ones, and `*.domain` for one label in front of it (RFC 9525 §6.3).
 *
 * find: two look-ups, whatever the number of names. Where a name is given twice, the first counts.
 */
export class ServerNames<Value> {
  readonly #values = new Map<string, Value>();

  add(name: string, value: Value): void {
    if (!this.#values.has(name)) this.#values.set(name, value);
  }

  /** `name` in any case, with or without a final dot. */
  find(name: string): Value | undefined {
    const plain = (name.endsWith(".") ? name.slice(0, -1) : name).toLowerCase();
    const exact = this.#values.get(plain);
    if (exact !== undefined) return exact;
    const dot = plain.indexOf(".");
    return dot <= 0 ? undefined : this.#values.get(`*${plain.slice(dot)}`);
  }
}
