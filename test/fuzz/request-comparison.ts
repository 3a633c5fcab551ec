/** Two opinions on the same requests: ours and that of Node's parser, as they came and as we forward them. */
import assert from "node:assert/strict";
import { METHODS } from "node:http";
import { forwardedEnding, forwardedStart, ForwardingContext } from "../../src/http/request-forwarding.ts";
import type { RequestHead } from "../../src/http/request-head.ts";
import { askServer } from "./node-parser.ts";
import { type Message, read } from "./request-reading.ts";

const MARKER = "GET /marker HTTP/1.1\r\nHost: marker\r\n\r\n";
const KNOWN_METHODS = new Set(METHODS);

const context = new ForwardingContext({
  via: "fuzz",
  instance: "1a2b3c",
  clientAddress: "192.0.2.1",
  clientPort: 0,
  proto: "http",
  trusted: false,
  defaultHost: "default",
  port: 8001,
});

/**
 * Compares what we make of a connection's bytes with what Node's parser makes of them, and of what we forward for them.
 * False: nothing was to be compared, as we refuse them or they are not complete.
 */
export async function compare(text: string, describe: (how: string, text: string) => string): Promise<boolean> {
  const ours = read([Buffer.from(text, "latin1")]);
  if (!ours.complete) return false;
  const head = ours.heads.at(-1);
  // Node knows a list of methods, which is no question of framing; and behind a close or an upgrade it reads nothing more.
  if (head === undefined || !ours.messages.every((message) => KNOWN_METHODS.has(message.method))) return false;
  if (ours.heads.slice(0, -1).some(endsConnection)) return false;

  const ends = endsConnection(head);
  const theirs = await askServer(ends ? text : text + MARKER);
  assert.deepEqual(theirs, ends ? ours.messages : [...ours.messages, markerMessage()], describe("as sent", text));

  const sent = ours.heads.map((each) => forwardedStart(each, context) + forwardedEnding(each, context, "web"));
  const forwarded = sent.map((each, index) => each + (ours.bodies[index] ?? ""));
  const upgrades = head.upgrade !== "";
  const far = await askServer(forwarded.join("") + (upgrades ? "" : MARKER));
  assert.equal(far.length, ours.messages.length + (upgrades ? 0 : 1), describe("forwarded", text));
  for (const [index, message] of ours.messages.entries()) {
    const other = far[index];
    assert.equal(other?.method, message.method, describe("forwarded", text));
    assert.equal(other.target, ours.heads[index]?.path, describe("forwarded", text));
    assert.deepEqual(other.fields, linesOf(sent[index] ?? ""), describe("forwarded", text));
    assert.equal(other.body, message.body, describe("forwarded", text));
  }
  return true;
}

function endsConnection(head: RequestHead): boolean {
  return !head.keepAlive || head.header("upgrade") !== undefined;
}

function markerMessage(): Message {
  return { method: "GET", target: "/marker", fields: ["Host", "marker"], body: "" };
}

/** Names and values of a head's field lines, by nothing but its line ends and first colons. */
function linesOf(head: string): string[] {
  const lines = head.slice(0, -4).split("\r\n").slice(1);
  return lines.flatMap((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon), line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, "")];
  });
}
