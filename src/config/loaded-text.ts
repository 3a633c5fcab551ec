/** The text of a file or of an environment variable, read once, when the configuration was resolved. */
export class LoadedText {
  /** The file's path, or `$NAME` for an environment variable: what may be shown of it. */
  readonly origin: string;
  readonly #text: string;

  constructor(origin: string, text: string) {
    this.origin = origin;
    this.#text = text;
  }

  /** The text itself. A private field keeps it out of logs, JSON and `util.inspect`, because most of these are secrets. */
  get text(): string {
    return this.#text;
  }

  toJSON(): string {
    return `[read from ${this.origin}]`;
  }
}
