/** The messages of PostgreSQL's protocol in one direction: the type of each, as soon as its length is known; contents are skipped. */

/** What a first message may be instead of a startup: a wish for TLS or GSSAPI, or to cancel a query. */
const SSL_REQUEST = 80_877_103;
const GSS_REQUEST = 80_877_104;
const CANCEL_REQUEST = 80_877_102;
const VERSION_3 = 3;
const LENGTH_BYTES = 4;

export class PostgresFrames {
  broken = false;
  /** The server agreed to TLS or GSSAPI: the rest is not for us. */
  encrypted = false;
  /** Answers to wishes for encryption that are to come. */
  lettersExpected = 0;
  readonly #told: (type: string) => void;
  /** A client's first messages have no type. */
  #starting: boolean;
  #wishes = 0;
  #type = 0;
  /** Bytes of a header that have come: the type and the length, or length and code. */
  #headerBytes = 0;
  #number = 0;
  #length = 0;
  #skip = 0;

  constructor(side: "client" | "server", told: (type: string) => void) {
    this.#starting = side === "client";
    this.#told = told;
  }

  /** How many wishes for encryption were seen since the last call. */
  takeWishes(): number {
    const wishes = this.#wishes;
    this.#wishes = 0;
    return wishes;
  }

  push(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length && !this.broken && !this.encrypted) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, bytes.length - at);
        this.#skip -= skipped;
        at += skipped;
      } else this.#take(bytes[at++]!);
    }
  }

  #take(byte: number): void {
    if (this.#starting) this.#takeStart(byte);
    else if (this.lettersExpected > 0 && this.#headerBytes === 0) this.#takeLetter(byte);
    else if (this.#headerBytes === 0) {
      this.#type = byte;
      this.#headerBytes = 1;
    } else {
      this.#number = this.#number * 256 + byte;
      if (this.#headerBytes++ < LENGTH_BYTES) return;
      const length = this.#number;
      this.#next();
      if (length < LENGTH_BYTES || length > 0x7fff_ffff) this.broken = true;
      else {
        this.#skip = length - LENGTH_BYTES;
        this.#told(String.fromCharCode(this.#type));
      }
    }
  }

  /** Length and code, four bytes each. */
  #takeStart(byte: number): void {
    this.#number = this.#number * 256 + byte;
    this.#headerBytes++;
    if (this.#headerBytes === LENGTH_BYTES) {
      this.#length = this.#number;
      this.#number = 0;
    }
    if (this.#headerBytes < 2 * LENGTH_BYTES) return;
    const code = this.#number;
    this.#next();
    this.#skip = this.#length - 2 * LENGTH_BYTES;
    if (this.#skip < 0 || this.#length > 10_000) this.broken = true;
    else if (code === SSL_REQUEST || code === GSS_REQUEST) this.#wishes++;
    else if (code >>> 16 === VERSION_3 || code === CANCEL_REQUEST) this.#starting = false;
    else this.broken = true;
  }

  #takeLetter(byte: number): void {
    this.lettersExpected--;
    if (byte === 0x53 || byte === 0x47) this.encrypted = true;
    else if (byte !== 0x4e) this.broken = true;
  }

  #next(): void {
    this.#headerBytes = 0;
    this.#number = 0;
  }
}
