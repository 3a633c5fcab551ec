/**
 * What a client, the two nodes and an app say to one another in one case, step by step, and the forms that most cases have.
 *
 * Cases are data: bytes in latin1 on both outsides. Nothing of the product is used to make or to judge them, except for the
 * codes of its errors.
 */
import type { ErrorCode } from "../../../src/base/errors.ts";

/** A message as the app has to get it: what the client wrote up to the end of its fields, then what forwarding adds. */
export interface Forwarded {
  /** Request line and fields, each with its CRLF; without the blank line. */
  readonly start: string;
  readonly host: string;
  /** The version that the client spoke. */
  readonly via: "1.0" | "1.1";
  readonly body: string;
}

/** Which of its connections the app is asked on, seen from the message before. */
export type Connection = "any" | "kept" | "new";

export type Step =
  | { readonly kind: "client sends"; readonly bytes: string }
  | { readonly kind: "client closes its side" }
  | { readonly kind: "client gets"; readonly bytes: string }
  /** A head, and content in chunks of any size. `whole`: the last one is there, too. */
  | { readonly kind: "client gets chunks"; readonly head: string; readonly content: string; readonly whole: boolean }
  | { readonly kind: "client is refused"; readonly status: number; readonly code: ErrorCode; readonly closing: boolean }
  | { readonly kind: "client sees"; readonly end: "end" | "reset" }
  /** Whatever of these bytes was through already, then a reset. */
  | { readonly kind: "client is cut off"; readonly most: string }
  | { readonly kind: "app gets"; readonly message: Forwarded | string; readonly connection: Connection }
  /** Not the whole message: some of its beginning, or nothing; and the connection is closed. */
  | { readonly kind: "app gets at most"; readonly message: Forwarded }
  | { readonly kind: "app sends"; readonly bytes: string }
  | { readonly kind: "app closes"; readonly how: "end" | "reset" }
  | { readonly kind: "app sees its connection closed" };

export interface Talk {
  /** What is special about this one among the talks of its case. */
  readonly how: string;
  /** Who sends a byte at a time. */
  readonly dribbles: "nobody" | "client" | "app";
  readonly steps: readonly Step[];
}

export interface Case {
  /** `RFC 9112 §3.1`, or a class of attacks. */
  readonly section: string;
  /** A sentence. */
  readonly name: string;
  readonly talks: readonly Talk[];
}

// ── messages ──

/** A head of these lines, blank line included. */
export function head(...lines: readonly string[]): string {
  return `${lines.join("\r\n")}\r\n\r\n`;
}

/** The message as the app gets it when its fields travel as they were sent, or as `start` says. */
export function forwarded(sent: string, options: Partial<Forwarded> = {}): Forwarded {
  const end = sent.indexOf("\r\n\r\n");
  const host = /\r\nHost:[ \t]*(.*?)[ \t]*\r\n/i.exec(`${sent.slice(0, end)}\r\n`)?.[1] ?? "";
  return { start: sent.slice(0, end + 2), host, via: "1.1", body: sent.slice(end + 4), ...options };
}

export const NEXT = head("GET /next HTTP/1.1", "Host: x");
export const NEXT_GIVEN = "HTTP/1.1 201 Created\r\nContent-Length: 4\r\n\r\nnext";
export const NEXT_GOT = "HTTP/1.1 201 Created\r\nContent-Length: 4\r\nVia: 1.1 edge\r\n\r\nnext";
export const GIVEN = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
export const GOT = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nVia: 1.1 edge\r\n\r\nok";

/** `GOT` as a client gets it whose connection ends with it, or who is told that it does not. */
function got(connection: string): string {
  return connection === "" ? GOT : GOT.replace("\r\n\r\n", `\r\nConnection: ${connection}\r\n\r\n`);
}

// ── steps ──

export const clientSends = (bytes: string): Step => ({ kind: "client sends", bytes });
export const clientClosesItsSide: Step = { kind: "client closes its side" };
export const clientGets = (bytes: string): Step => ({ kind: "client gets", bytes });
export const clientSeesEnd: Step = { kind: "client sees", end: "end" };
export const clientSeesReset: Step = { kind: "client sees", end: "reset" };
export const appSends = (bytes: string): Step => ({ kind: "app sends", bytes });
export const appEnds: Step = { kind: "app closes", how: "end" };
export const appResets: Step = { kind: "app closes", how: "reset" };
export const appSeesClose: Step = { kind: "app sees its connection closed" };
export const appGetsAtMost = (message: Forwarded): Step => ({ kind: "app gets at most", message });

export function clientIsRefused(status: number, code: ErrorCode, closing = true): Step {
  return { kind: "client is refused", status, code, closing };
}

export function appGets(message: Forwarded | string, connection: Connection = "any"): Step {
  return { kind: "app gets", message, connection };
}

/** Another request on the same connection is served as if nothing had been before. */
export function nextIsServed(connection: Connection = "any"): readonly Step[] {
  return [clientSends(NEXT), ...nextIsAnswered(connection)];
}

export function nextIsAnswered(connection: Connection = "any"): readonly Step[] {
  return [appGets(forwarded(NEXT), connection), appSends(NEXT_GIVEN), clientGets(NEXT_GOT)];
}

// ── the forms of cases ──

/** A conversation of its own. */
export function talk(section: string, name: string, ...steps: readonly (Step | readonly Step[])[]): Case {
  return { section, name, talks: [{ how: "as told", dribbles: "nobody", steps: steps.flat() }] };
}

/** Refused with its head: the app hears nothing of it, nor of what stands behind it, and the connection ends. */
export function refused(
  section: string,
  name: string,
  send: string,
  status = 400,
  code: ErrorCode = "BAD_REQUEST",
): Case {
  const refusal = [clientIsRefused(status, code), clientSeesEnd];
  const first = [appGets(forwarded(NEXT)), appSends(NEXT_GIVEN), clientGets(NEXT_GOT)];
  const talks: Talk[] = [
    { how: "with a request behind it", dribbles: "nobody", steps: [clientSends(send + NEXT), ...refusal] },
    { how: "behind a request", dribbles: "nobody", steps: [clientSends(NEXT + send + NEXT), ...first, ...refusal] },
  ];
  if (send.length < DRIBBLE_BYTES_MAX) {
    talks.push({ how: "a byte at a time", dribbles: "client", steps: [clientSends(send), ...refusal] });
  }
  return { section, name, talks };
}

/** Refused within its body: the app never gets a whole message, whatever it has got. `kept` is what it may have seen. */
export function broken(
  section: string,
  name: string,
  send: string,
  kept: string,
  status = 400,
  code: ErrorCode = "BAD_REQUEST",
): Case {
  const refusal = [clientIsRefused(status, code), clientSeesEnd, appGetsAtMost(forwarded(kept))];
  const talks: Talk[] = [
    { how: "with a request behind it", dribbles: "nobody", steps: [clientSends(send + NEXT), ...refusal] },
  ];
  if (send.length < DRIBBLE_BYTES_MAX) {
    talks.push({ how: "a byte at a time", dribbles: "client", steps: [clientSends(send), ...refusal] });
  }
  return { section, name, talks };
}

const DRIBBLE_BYTES_MAX = 600;

export interface PassedOptions extends Partial<Forwarded> {
  /** What the client is told of its connection; `close` when it ends. */
  readonly connection?: "" | "close" | "keep-alive";
  readonly given?: string;
  readonly got?: string;
}

/** Passed on, as it came unless the options say how; answered; and the next request served, or the connection closed. */
export function passed(section: string, name: string, send: string, options: PassedOptions = {}): Case {
  const { connection = "", given = GIVEN, got: expected = got(connection), ...changes } = options;
  const exchange = [appGets(forwarded(send, changes)), appSends(given), clientGets(expected)];
  const closes = connection === "close";
  const talks: Talk[] = [
    {
      how: "with a request behind it",
      dribbles: "nobody",
      steps: [clientSends(send + NEXT), ...exchange, ...(closes ? [clientSeesEnd] : nextIsAnswered("kept"))],
    },
  ];
  if (send.length < DRIBBLE_BYTES_MAX) {
    talks.push({
      how: "a byte at a time",
      dribbles: "client",
      steps: [clientSends(send), ...exchange, ...(closes ? [clientSeesEnd] : nextIsServed("kept"))],
    });
  }
  return { section, name, talks };
}

export interface AnsweredOptions {
  /** The request; a plain GET without it. */
  readonly ask?: string;
  /** What the app gets for `ask`, where that is not the same. */
  readonly asked?: Partial<Forwarded>;
  /** How the app's connection ends behind its answer; it stays without this. */
  readonly ends?: "end" | "reset";
  /** The client's connection after it. */
  readonly client?: "kept" | "closed" | "reset";
  /** The app's connection serves the next request. */
  readonly app?: "kept" | "new";
}

export const ASK = head("GET / HTTP/1.1", "Host: x");

/** An app's answer and what the client gets for it, byte for byte. */
export function answered(
  section: string,
  name: string,
  given: string,
  expected: string,
  options: AnsweredOptions = {},
): Case {
  const { ask = ASK, asked = {}, ends, client = "kept", app = ends === undefined ? "kept" : "new" } = options;
  const steps: Step[] = [clientSends(ask), appGets(forwarded(ask, asked)), appSends(given)];
  if (ends !== undefined) steps.push(ends === "end" ? appEnds : appResets);
  steps.push(clientGets(expected));
  if (client === "closed") steps.push(clientSeesEnd);
  else if (client === "reset") steps.push(clientSeesReset);
  else steps.push(...nextIsServed(app));
  return { section, name, talks: bothWays(given, steps) };
}

/** An answer that is refused: 502 for the client, whose connection goes on, and an app's connection that does not. */
export function failed(
  section: string,
  name: string,
  given: string,
  options: Pick<AnsweredOptions, "ask" | "ends"> & { readonly code?: ErrorCode } = {},
): Case {
  const { ask = ASK, ends, code = "TARGET_PROTOCOL" } = options;
  const steps: Step[] = [clientSends(ask), appGets(forwarded(ask)), appSends(given)];
  if (ends !== undefined) steps.push(ends === "end" ? appEnds : appResets);
  steps.push(clientIsRefused(502, code, false));
  if (ends === undefined) steps.push(appSeesClose);
  steps.push(...nextIsServed("new"));
  return { section, name, talks: bothWays(given, steps) };
}

/** An answer that breaks after it has begun: the client gets no more than `most` of it, and a connection that is cut. */
export function cutOff(
  section: string,
  name: string,
  given: string,
  begun: string,
  broken: string,
  ends?: "end" | "reset",
): Case {
  const steps: Step[] = [clientSends(ASK), appGets(forwarded(ASK)), appSends(given), clientGets(begun)];
  // What is wrong comes when the beginning is through, so that the client's part of it is certain.
  if (broken !== "") steps.push(appSends(broken));
  if (ends !== undefined) steps.push(ends === "end" ? appEnds : appResets);
  else steps.push(appSeesClose);
  steps.push(clientSeesReset);
  return { section, name, talks: bothWays(given + broken, steps) };
}

/** An answer without a length, as an HTTP/1.1 client gets it: in chunks, on a connection that goes on. */
export function reframed(
  section: string,
  name: string,
  given: string,
  headGot: string,
  options: {
    readonly ends?: "end" | "reset";
    readonly client?: "kept" | "closed" | "reset";
    readonly ask?: string;
  } = {},
): Case {
  const { ends = "end", client = ends === "end" ? "kept" : "reset", ask = ASK } = options;
  const content = given.slice(given.indexOf("\r\n\r\n") + 4);
  const asked = { start: ask.slice(0, -2).replace("Connection: close\r\n", "") };
  const gets = { kind: "client gets chunks", head: headGot, content, whole: ends === "end" } as const;
  const steps: Step[] = [clientSends(ask), appGets(forwarded(ask, asked)), appSends(given)];
  // A reset takes what is not read yet with it.
  if (ends === "end") steps.push(appEnds, gets);
  else steps.push(gets, appResets);
  if (client === "closed") steps.push(clientSeesEnd);
  else if (client === "reset") steps.push(clientSeesReset);
  else steps.push(...nextIsServed("new"));
  return { section, name, talks: bothWays(given, steps) };
}

function bothWays(given: string, steps: readonly Step[]): Talk[] {
  const talks: Talk[] = [{ how: "in one piece", dribbles: "nobody", steps }];
  if (given.length < DRIBBLE_BYTES_MAX) talks.push({ how: "a byte at a time", dribbles: "app", steps });
  return talks;
}
