/** As much of a name server as a test needs: it answers every question for an IPv4 address with the same one. */
import type { TestContext } from "node:test";
import { type DatagramApp, startDatagramApp } from "./datagrams.ts";

const HEADER_BYTES = 12;

/** RFC 1035 §4: the question again, and one answer that points to its name. */
export function startDnsServer(context: TestContext, address: string): Promise<DatagramApp> {
  return startDatagramApp(context, (query) => {
    const question = query.subarray(HEADER_BYTES, endOfQuestion(query));
    const header = Buffer.alloc(HEADER_BYTES);
    query.copy(header, 0, 0, 2);
    // A response, with recursion desired and available, to one question, with one answer.
    header.writeUInt16BE(0x8180, 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(1, 6);
    const answer = Buffer.from([0xc0, HEADER_BYTES, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...address.split(".").map(Number)]);
    return [Buffer.concat([header, question, answer])];
  });
}

function endOfQuestion(query: Buffer): number {
  let at = HEADER_BYTES;
  while (query[at] !== 0) at += 1 + query[at]!;
  return at + 5;
}
