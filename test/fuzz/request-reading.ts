/** A connection's bytes taken apart by the pieces that a listener is made of: heads, bodies, and where each ends. */
import { BodyReader, ChunkedDecoder } from "../../src/http/body-framing.ts";
import { HeadCollector } from "../../src/http/head-collector.ts";
import { HttpProblem } from "../../src/http/http-problem.ts";
import { parseRequestHead } from "../../src/http/request-head.ts";
import type { RequestHead } from "../../src/http/request-head.ts";

/** One message, as either parser reads it. */
export interface Message {
  readonly method: string;
  readonly target: string;
  readonly fields: readonly string[];
  readonly body: string;
}

export interface Reading {
  readonly messages: readonly Message[];
  readonly heads: readonly RequestHead[];
  /** The bytes of each body as they came, framing included. */
  readonly bodies: readonly string[];
  /** The reading went on to the last byte, and that was the end of a message. */
  readonly complete: boolean;
  readonly refused: boolean;
}

/** Reads a connection's bytes as a listener does: head, body, next head. */
export function read(chunks: readonly Buffer[]): Reading {
  const collector = new HeadCollector(64 * 1024);
  const reader = new BodyReader("BAD_REQUEST");
  const decoder = new ChunkedDecoder("BAD_REQUEST");
  const heads: RequestHead[] = [];
  const messages: Message[] = [];
  const bodies: string[] = [];
  let payload: Buffer[] = [];
  let raw = "";
  let inBody = false;
  let refused = false;

  for (const chunk of chunks) {
    let rest = chunk;
    while (rest.length > 0 && !refused) {
      if (!inBody) {
        if (!collector.push(rest)) break;
        const head = collector.problem ?? parseRequestHead(collector.text);
        rest = collector.rest;
        collector.reset();
        if (head instanceof HttpProblem) {
          refused = true;
          break;
        }
        heads.push(head);
        reader.start(head.bodyKind, head.bodyLength);
        decoder.reset();
        payload = [];
        raw = "";
        inBody = true;
      } else {
        const count = reader.take(rest);
        const taken = rest.subarray(0, count);
        raw += reader.goingOn(rest).toString("latin1");
        if (heads.at(-1)?.bodyKind === "chunked") decoder.take(taken, payload);
        else payload.push(taken);
        rest = rest.subarray(count);
        refused = reader.problem !== undefined;
      }
      const head = heads.at(-1);
      if (inBody && reader.done && head !== undefined) {
        const fields = [...head.fields()].flat();
        const body = Buffer.concat(payload).toString("latin1");
        messages.push({ method: head.method, target: head.target, fields, body });
        bodies.push(raw);
        inBody = false;
      }
    }
  }
  return {
    messages,
    heads,
    bodies,
    refused,
    complete: !refused && !inBody && !collector.started && messages.length > 0,
  };
}

/** What must not depend on how the bytes are cut. */
export function outline(reading: Reading): object {
  return { messages: reading.messages, bodies: reading.bodies, refused: reading.refused, complete: reading.complete };
}
