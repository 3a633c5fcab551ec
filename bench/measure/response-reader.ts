/** Reads one HTTP/1.1 response of a stated length, from whatever slices it arrives in. Bodies are counted, not kept. */
const HEAD_END = "\r\n\r\n";

export class ResponseReader {
  status = 0;
  /** The `X-App` header: which app answered. */
  app = "";
  keepAlive = true;
  #head = "";
  #bodyLeft = -1;

  /** "broken" when the response's length is not stated: these clients do not need more. */
  receive(bytes: Buffer): "more" | "done" | "broken" {
    if (this.#bodyLeft >= 0) {
      this.#bodyLeft -= bytes.length;
      return this.#bodyLeft <= 0 ? "done" : "more";
    }
    this.#head += bytes.toString("latin1");
    const end = this.#head.indexOf(HEAD_END);
    if (end < 0) return "more";
    const length = /\r\ncontent-length: *(\d+)/i.exec(this.#head)?.[1];
    if (length === undefined) return "broken";
    this.status = Number(this.#head.slice(9, 12));
    this.app = /\r\nx-app: *([^\r]*)/i.exec(this.#head)?.[1] ?? "";
    this.keepAlive = !/\r\nconnection: *close/i.test(this.#head);
    this.#bodyLeft = Number(length) - (this.#head.length - end - HEAD_END.length);
    return this.#bodyLeft <= 0 ? "done" : "more";
  }
}
