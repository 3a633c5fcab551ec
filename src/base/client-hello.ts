/**
 * The first message of a TLS client, read for the name that it asks for and for nothing else (RFC 8446 §4.1.2, RFC 6066 §3).
 *
 * Strict about what it reads, and blind to the rest: extensions that it does not know (GREASE, ECH, what is yet to come) are
 * stepped over. A hello with ECH shows the name of whoever hides the other. push: O(bytes pushed), until the hello is there.
 */

export type HelloReading =
  | { readonly kind: "more" }
  /** `name`: in lower case; empty when the client asks for none. */
  | { readonly kind: "hello"; readonly name: string }
  /** `isTls`: it began as a TLS handshake does. */
  | { readonly kind: "invalid"; readonly isTls: boolean; readonly reason: string };

/** A hello, without the records around it. */
export const HELLO_BYTES_MAX = 16 * 1024;
/** With them: a hello may come in many small ones. */
export const HELLO_RECORDS_BYTES_MAX = 2 * HELLO_BYTES_MAX;

const MORE: HelloReading = Object.freeze({ kind: "more" });

const RECORD_HEADER_BYTES = 5;
const RECORD_BYTES_MAX = 16 * 1024;
const MESSAGE_HEADER_BYTES = 4;
const CONTENT_HANDSHAKE = 0x16;
const MESSAGE_CLIENT_HELLO = 0x01;
const EXTENSION_SERVER_NAME = 0;
const NAME_TYPE_HOST = 0;

export class ClientHelloReader {
  readonly #recordHeader = Buffer.alloc(RECORD_HEADER_BYTES);
  #recordHeaderBytes = 0;
  /** What is still to come of the present record. */
  #recordLeft = 0;
  #message = Buffer.alloc(512);
  #messageBytes = 0;
  #bytes = 0;

  /** Not to be called again after anything but `more`. */
  push(chunk: Buffer): HelloReading {
    this.#bytes += chunk.length;
    for (let at = 0; at < chunk.length;) {
      if (this.#recordLeft === 0) {
        this.#recordHeader[this.#recordHeaderBytes++] = chunk[at++] as number;
        const problem = this.#checkRecordHeader();
        if (problem !== "") return invalid(problem, this.#recordHeaderBytes > 1 || this.#messageBytes > 0);
        continue;
      }
      const taken = Math.min(this.#recordLeft, chunk.length - at);
      this.#keep(chunk.subarray(at, at + taken));
      this.#recordLeft -= taken;
      at += taken;
      const reading = this.#read();
      if (reading !== MORE) return reading;
    }
    return this.#bytes > HELLO_RECORDS_BYTES_MAX ? invalid("its records are too many or too long", true) : MORE;
  }

  /** What is wrong with the header so far; empty for nothing. */
  #checkRecordHeader(): string {
    const [type, major] = this.#recordHeader;
    if (type !== CONTENT_HANDSHAKE) return "it is no TLS handshake";
    if (this.#recordHeaderBytes >= 2 && major !== 3) return "its record has an unknown version";
    if (this.#recordHeaderBytes < RECORD_HEADER_BYTES) return "";
    const length = this.#recordHeader.readUInt16BE(3);
    if (length === 0 || length > RECORD_BYTES_MAX) return `its record has ${length} bytes`;
    this.#recordLeft = length;
    this.#recordHeaderBytes = 0;
    return "";
  }

  #keep(piece: Buffer): void {
    // What a record holds behind the hello does not matter.
    const room = MESSAGE_HEADER_BYTES + HELLO_BYTES_MAX - this.#messageBytes;
    const kept = Math.min(piece.length, room);
    if (this.#messageBytes + kept > this.#message.length) {
      const size = Math.max(2 * this.#message.length, this.#messageBytes + kept);
      this.#message = Buffer.concat([this.#message.subarray(0, this.#messageBytes)], size);
    }
    piece.copy(this.#message, this.#messageBytes, 0, kept);
    this.#messageBytes += kept;
  }

  #read(): HelloReading {
    const message = this.#message;
    if (message[0] !== MESSAGE_CLIENT_HELLO) return invalid("its first message is no hello", true);
    if (this.#messageBytes < MESSAGE_HEADER_BYTES) return MORE;
    const length = message.readUIntBE(1, 3);
    if (length > HELLO_BYTES_MAX) return invalid(`its hello has ${length} bytes`, true);
    if (this.#messageBytes < MESSAGE_HEADER_BYTES + length) return MORE;
    const body = new Fields(message.subarray(MESSAGE_HEADER_BYTES, MESSAGE_HEADER_BYTES + length));
    const name = serverName(body);
    return name === undefined ? invalid("its hello is malformed", true) : { kind: "hello", name };
  }
}

function invalid(reason: string, isTls: boolean): HelloReading {
  return { kind: "invalid", isTls, reason };
}

/** Undefined when the hello breaks the rules. */
function serverName(hello: Fields): string | undefined {
  // Version and random; then what the client could do, of which only the form matters here.
  hello.skip(2 + 32);
  const session = hello.vector(1);
  const suites = hello.vector(2);
  const compressions = hello.vector(1);
  if (hello.broken || session.length > 32 || suites.length < 2 || suites.length % 2 !== 0 || compressions.length < 1)
    return undefined;
  // Before TLS 1.2 a hello could end here.
  if (hello.atEnd) return "";
  const extensions = new Fields(hello.vector(2));
  if (hello.broken || !hello.atEnd) return undefined;
  let name = "";
  const seen = new Set<number>();
  while (!extensions.atEnd) {
    const type = extensions.uint(2);
    const value = extensions.vector(2);
    // RFC 8446 §4.2: there must not be two of a type. Two readers might follow different ones.
    if (extensions.broken || seen.has(type)) return undefined;
    seen.add(type);
    if (type !== EXTENSION_SERVER_NAME) continue;
    const found = hostName(value);
    if (found === undefined) return undefined;
    name = found;
  }
  return name;
}

/** RFC 6066 §3: a list of names, of which only one kind was ever defined, and one name of a kind may be in it. */
function hostName(extension: Buffer): string | undefined {
  const fields = new Fields(extension);
  const list = new Fields(fields.vector(2));
  const type = list.uint(1);
  const name = list.vector(2).toString("latin1");
  if (fields.broken || list.broken || !fields.atEnd || !list.atEnd || type !== NAME_TYPE_HOST) return undefined;
  return /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/.test(name) && name.length <= 255 ? name.toLowerCase() : undefined;
}

/** Reads forward over bytes; what is not there makes it broken, and everything after that empty. */
class Fields {
  readonly #bytes: Buffer;
  #at = 0;
  broken = false;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.broken || this.#at === this.#bytes.length;
  }

  skip(count: number): void {
    this.#take(count);
  }

  uint(size: 1 | 2): number {
    const bytes = this.#take(size);
    return bytes.length === size ? bytes.readUIntBE(0, size) : 0;
  }

  /** Bytes behind their own length, which takes `size` bytes. */
  vector(size: 1 | 2): Buffer {
    return this.#take(this.uint(size));
  }

  #take(count: number): Buffer {
    if (this.broken || this.#at + count > this.#bytes.length) {
      this.broken = true;
      return NOTHING;
    }
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }
}

const NOTHING = Buffer.alloc(0);
