/** A name server on loopback that answers what a test says, when it says. UDP; names are matched as they are written. */
import { createSocket, type RemoteInfo } from "node:dgram";
import { once } from "node:events";
import { isIPv6 } from "node:net";
import type { TestContext } from "node:test";
import { parseIp } from "../../src/base/ip-address.ts";

export type RecordType = "A" | "AAAA" | "SRV" | "NAPTR";

export type RecordData =
  | string
  | { readonly priority: number; readonly weight: number; readonly port: number; readonly name: string }
  | {
      readonly order: number;
      readonly preference: number;
      readonly flags: string;
      readonly service: string;
      readonly regexp?: string;
      readonly replacement: string;
    };

/** What is asked has one of these; `silent` is never answered. */
export type Answer =
  | { readonly records: readonly RecordData[]; readonly ttl?: number; readonly after?: Promise<unknown> }
  | "silent"
  | keyof typeof FAILURES;

const TYPES: ReadonlyMap<number, RecordType> = new Map([
  [1, "A"],
  [28, "AAAA"],
  [33, "SRV"],
  [35, "NAPTR"],
] as const);

const RCODE = { ok: 0, unknown: 3 };
/** Answers that say that there is no answer. */
const FAILURES = { failing: 2, unimplemented: 4, refusing: 5 };

export class NameServer {
  /** `127.0.0.1:PORT`. */
  readonly address: string;
  /** What was asked, such as `SRV _web._tcp.test`. */
  readonly asked: string[] = [];
  readonly #answers: Map<string, Answer>;

  private constructor(address: string, answers: Map<string, Answer>) {
    this.address = address;
    this.#answers = answers;
  }

  /** `answers`: by `TYPE name`. A name that has none of any type is unknown. */
  static async start(context: TestContext, answers: Readonly<Record<string, Answer>> = {}): Promise<NameServer> {
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    context.after(() => socket.close());
    const server = new NameServer(`127.0.0.1:${socket.address().port}`, new Map(Object.entries(answers)));
    let closed = false;
    socket.once("close", () => {
      closed = true;
    });
    socket.on("message", (query: Buffer, from: RemoteInfo) => {
      void server.#answer(query).then((answer) => {
        if (answer !== undefined && !closed) socket.send(answer, from.port, from.address);
      });
    });
    return server;
  }

  set(question: string, answer: Answer): void {
    this.#answers.set(question, answer);
  }

  delete(question: string): void {
    this.#answers.delete(question);
  }

  async #answer(query: Buffer): Promise<Buffer | undefined> {
    const { name, end } = readName(query, 12);
    const type = TYPES.get(query.readUInt16BE(end));
    const question = query.subarray(12, end + 4);
    this.asked.push(`${type} ${name}`);
    const found = this.#answers.get(`${type} ${name}`);
    if (found === "silent") return undefined;
    if (typeof found === "string") return message(query, FAILURES[found], question, []);
    if (found === undefined || type === undefined) {
      const known = [...this.#answers.keys()].some((key) => key.endsWith(` ${name}`));
      return message(query, known ? RCODE.ok : RCODE.unknown, question, []);
    }
    await found.after;
    const records = found.records.map((data) => resource(type, found.ttl ?? 60, encode(type, data)));
    return message(query, RCODE.ok, question, records);
  }
}

function message(query: Buffer, rcode: number, question: Buffer, records: readonly Buffer[]): Buffer {
  const head = Buffer.alloc(12);
  head.writeUInt16BE(query.readUInt16BE(0), 0);
  // An answer, recursion desired and available.
  head.writeUInt16BE(0x8180 | rcode, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(records.length, 6);
  return Buffer.concat([head, question, ...records]);
}

function resource(type: RecordType, ttl: number, data: Buffer): Buffer {
  const head = Buffer.alloc(12);
  // The name is that of the question.
  head.writeUInt16BE(0xc00c, 0);
  head.writeUInt16BE([...TYPES].find(([, name]) => name === type)![0], 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt32BE(ttl, 6);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

function encode(type: RecordType, data: RecordData): Buffer {
  if (typeof data === "string") {
    const bytes = parseIp(data);
    if (bytes === undefined || isIPv6(data) !== (type === "AAAA")) throw new Error(`${data} is no address for ${type}`);
    return Buffer.from(bytes);
  }
  if ("port" in data) {
    return Buffer.concat([...[data.priority, data.weight, data.port].map(uint16), nameBytes(data.name)]);
  }
  const { order, preference, flags, service, regexp = "", replacement } = data;
  const texts = [flags, service, regexp].map((text) => Buffer.concat([Buffer.from([text.length]), Buffer.from(text)]));
  return Buffer.concat([uint16(order), uint16(preference), ...texts, nameBytes(replacement)]);
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function nameBytes(name: string): Buffer {
  const labels = name.split(".").filter((label) => label !== "");
  return Buffer.concat([
    ...labels.flatMap((label) => [Buffer.from([label.length]), Buffer.from(label)]),
    Buffer.from([0]),
  ]);
}

function readName(message: Buffer, start: number): { readonly name: string; readonly end: number } {
  const labels: string[] = [];
  let at = start;
  for (let length = message[at]!; length !== 0; length = message[at]!) {
    labels.push(message.toString("latin1", at + 1, at + 1 + length).toLowerCase());
    at += 1 + length;
  }
  return { name: labels.join("."), end: at + 1 };
}
