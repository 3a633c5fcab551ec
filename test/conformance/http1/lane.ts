/**
 * One way through a router, a link and a connector to an app that only records and answers what it is told to. A lane
 * carries one talk at a time; several lanes share the nodes.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { startRawApp } from "../../support/apps.ts";
import { offered, startConnector, startRouter } from "../../support/cluster.ts";
import { soon } from "../../support/patience.ts";
import type { Connection, Forwarded, Step, Talk } from "./talk.ts";
import { forwarded, head } from "./talk.ts";

const PATIENCE_MS = 8_000;
const ROUTER = "edge";

/** One end of a connection outside of the nodes. */
class Peer {
  readonly socket: Socket;
  unread = "";
  end: "end" | "reset" | undefined;
  closed = false;
  readonly #changed: () => void;
  readonly #hidesDates: boolean;
  /** What may be the beginning of a Date line. */
  #date = "";

  /** `hidesDates`: that of now is read as `NOW`. */
  constructor(socket: Socket, hidesDates: boolean, changed: () => void) {
    this.socket = socket;
    this.#hidesDates = hidesDates;
    this.#changed = changed;
    socket.on("data", (chunk: Buffer) => {
      this.#take(chunk.toString("latin1"));
      changed();
    });
    socket.on("end", () => this.#ended("end"));
    socket.on("error", () => this.#ended("reset"));
    socket.on("close", () => {
      this.closed = true;
      changed();
    });
  }

  #take(bytes: string): void {
    if (!this.#hidesDates) {
      this.unread += bytes;
      return;
    }
    const text = this.#date + bytes;
    const from = /\r\n(?:D|Da|Dat|Date|Date:|Date: [^\n]*)$/.exec(text)?.index ?? text.length;
    this.#date = text.slice(from);
    this.unread += text
      .slice(0, from)
      .replace(DATE, (line, date: string) => (isNow(date) ? `\r\nDate: ${NOW}\r\n` : line));
  }

  #ended(how: "end" | "reset"): void {
    this.end ??= how;
    this.unread += this.#date;
    this.#date = "";
    this.#changed();
  }

  async send(bytes: string, dribbles: boolean): Promise<void> {
    if (!dribbles) {
      this.socket.write(Buffer.from(bytes, "latin1"));
      return;
    }
    for (const byte of bytes) {
      if (this.socket.destroyed || !this.socket.writable) return;
      this.socket.write(Buffer.from(byte, "latin1"));
      await new Promise(setImmediate);
    }
  }
}

export class Lane {
  readonly #port: number;
  #apps: Peer[] = [];
  #client: Peer | undefined;
  /** Refusals have no content. */
  #refusesHead = false;
  /** The app's connection that got the last message. */
  #current: Peer | undefined;
  #allowed = "";
  #waiting: (() => void) | undefined;

  constructor(port: number) {
    this.#port = port;
  }

  accept(socket: Socket): void {
    this.#apps.push(new Peer(socket, false, () => this.#changed()));
  }

  async run(talk: Talk): Promise<void> {
    this.#allowed = "";
    try {
      await this.#converse(talk.steps, talk.dribbles);
      // Whatever wrongly went to the app went before this, and would be taken for it, or be found behind it.
      await this.#converse(WITNESS, "nobody");
      for (const app of this.#apps) await this.#settle(app);
      this.#client?.socket.destroy();
      for (const app of this.#apps) if (app.unread !== "" || app.end !== undefined) app.socket.destroy();
    } catch (error) {
      await this.#clear();
      throw error;
    } finally {
      this.#apps = this.#apps.filter(({ socket }) => !socket.destroyed);
    }
  }

  /** A talk that failed must not fail the next one too: what it left is let go, and what is retried for it. */
  async #clear(): Promise<void> {
    this.#client?.socket.destroy();
    for (let round = 0; round < 4; round++) {
      await delay(25);
      for (const { socket } of this.#apps) socket.destroy();
    }
  }

  async #converse(steps: readonly Step[], dribbles: Talk["dribbles"]): Promise<void> {
    this.#client?.socket.destroy();
    const socket = connect({ host: "127.0.0.1", port: this.#port, allowHalfOpen: true, noDelay: true });
    this.#client = new Peer(socket, true, () => this.#changed());
    await once(socket, "connect");
    this.#refusesHead = steps.some((step) => step.kind === "client sends" && /^HEAD |\nHEAD /.test(step.bytes));
    for (const step of steps) await this.#take(step, this.#client, dribbles);
    assert.equal(this.#client.unread, "", "the client got more than that");
  }

  async #take(step: Step, client: Peer, dribbles: Talk["dribbles"]): Promise<void> {
    switch (step.kind) {
      case "client sends":
        return await client.send(step.bytes, dribbles === "client");
      case "client closes its side":
        client.socket.end();
        return;
      case "client gets": {
        const bytes = dated(step.bytes);
        await this.#until("the client's bytes", client, () => differs(client, bytes) || client.end !== undefined);
        assert.equal(client.unread.slice(0, bytes.length), bytes, "what the client gets");
        client.unread = client.unread.slice(bytes.length);
        return;
      }
      case "client gets chunks": {
        const { head: headGot, content, whole } = step;
        const bytes = dated(headGot);
        const done = (): boolean => {
          if (client.end !== undefined || !client.unread.startsWith(bytes)) return client.unread.length >= bytes.length;
          const read = readChunks(client.unread.slice(bytes.length));
          return whole ? read.end >= 0 : read.content.length >= content.length;
        };
        await this.#until("the client's chunks", client, done);
        assert.equal(client.unread.slice(0, bytes.length), bytes, "what the client gets");
        const read = readChunks(client.unread.slice(bytes.length));
        assert.deepEqual([read.content, read.end >= 0], [content, whole], client.unread);
        client.unread = whole ? client.unread.slice(bytes.length + read.end) : "";
        return;
      }
      case "client is refused":
        return await this.#refusal(client, step);
      case "client sees":
        await this.#until(`the client's ${step.end}`, client, () => client.unread !== "" || client.end !== undefined);
        assert.equal(client.unread, "", "nothing more for the client");
        assert.equal(client.end, step.end, "how the client's connection ends");
        return;
      case "client is cut off":
        await this.#until("the client's connection to be cut", client, () => client.end !== undefined);
        assert.equal(client.end, "reset", "how the client's connection ends");
        assert.ok(step.most.startsWith(client.unread) && client.unread !== step.most, JSON.stringify(client.unread));
        client.unread = "";
        return;
      case "app gets":
        return await this.#message(this.#text(step.message), step.connection);
      case "app gets at most":
        this.#allowed = this.#text(step.message);
        return;
      case "app sends":
        return await this.#app.send(step.bytes, dribbles === "app");
      case "app closes":
        if (step.how === "end") this.#app.socket.end();
        else this.#app.socket.resetAndDestroy();
        return;
      case "app sees its connection closed": {
        const app = this.#app;
        await this.#until("the app's connection to close", app, () => app.end !== undefined || app.unread !== "");
        assert.equal(app.unread, "", "nothing more for the app");
      }
    }
  }

  get #app(): Peer {
    assert.ok(this.#current !== undefined, "the app has been asked");
    return this.#current;
  }

  async #message(expected: string, connection: Connection): Promise<void> {
    const find = (): Peer | undefined =>
      this.#apps.find(({ unread }) => unread !== "" && !(this.#allowed !== "" && this.#allowed.startsWith(unread)));
    await this.#until("the app's bytes", undefined, () => {
      const app = find();
      return (app !== undefined && differs(app, expected)) || this.#client?.end !== undefined;
    });
    const app = find();
    assert.ok(app !== undefined, `the client's connection ended (${this.#client?.end}), and the app got nothing`);
    assert.equal(app.unread.slice(0, expected.length), expected, "what the app gets");
    app.unread = app.unread.slice(expected.length);
    if (connection !== "any") assert.equal(app === this.#current ? "kept" : "new", connection, "the app's connection");
    this.#current = app;
  }

  async #refusal(client: Peer, { status, code, closing }: Extract<Step, { kind: "client is refused" }>): Promise<void> {
    const size = (): number => {
      const end = client.unread.indexOf("\r\n\r\n");
      if (end < 0) return Infinity;
      if (this.#refusesHead) return end + 4;
      return end + 4 + Number(/\r\nContent-Length: (\d+)\r\n/.exec(client.unread)?.[1]);
    };
    await this.#until("a refusal", client, () => client.unread.length >= size() || client.end !== undefined);
    const answer = client.unread.slice(0, size());
    client.unread = client.unread.slice(answer.length);
    const told = [
      Number(answer.split(" ", 2)[1]),
      /\r\nX-Polarity-Error: (\w+)\r\n/.exec(answer)?.[1],
      answer.includes("\r\nConnection: close\r\n"),
      answer.includes(`\r\nDate: ${NOW}\r\n`),
    ];
    assert.deepEqual(told, [status, code, closing, true], answer);
  }

  /** Nothing is left of the talk at the app, but the beginning of a message that was broken off. */
  async #settle(app: Peer): Promise<void> {
    if (app.unread === "") return;
    assert.ok(this.#allowed.startsWith(app.unread), `the app got ${JSON.stringify(app.unread)}`);
    await this.#until("the app's broken connection to close", app, () => app.end !== undefined);
  }

  #text(message: Forwarded | string): string {
    if (typeof message === "string") return message;
    const { start, via, body } = message;
    const host = message.host === LISTENER ? `127.0.0.1:${this.#port}` : message.host;
    const port = /:(\d+)$/.exec(host)?.[1] ?? String(this.#port);
    return (
      `${start.replaceAll(LISTENER, host)}Via: ${via} ${ROUTER}\r\n` +
      "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n" +
      `X-Forwarded-Host: ${host}\r\nX-Forwarded-Port: ${port}\r\n` +
      `Forwarded: for="127.0.0.1:${this.#client?.socket.localPort}";host="${host}";proto=http\r\n\r\n${body}`
    );
  }

  async #until(what: string, peer: Peer | undefined, holds: () => boolean): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    while (!holds()) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting = resolve;
      const so = `${what}; so far ${JSON.stringify(peer?.unread ?? this.#apps.map(({ unread }) => unread))}`;
      await soon(so, promise, Math.max(1, deadline - performance.now()));
    }
  }

  #changed(): void {
    this.#waiting?.();
  }
}

/** Stands for the listener's own address, which clients without a Host are taken to have meant. */
export const LISTENER = "{listener}";

const WITNESS_ASKS = head("GET /witness HTTP/1.1", "Host: x");
const WITNESS: readonly Step[] = [
  { kind: "client sends", bytes: WITNESS_ASKS },
  { kind: "app gets", message: forwarded(WITNESS_ASKS), connection: "any" },
  { kind: "app sends", bytes: "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nwitness" },
  { kind: "client gets", bytes: "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nVia: 1.1 edge\r\n\r\nwitness" },
];

const DATE = /\r\nDate: ((?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT)\r\n/g;
const NOW = "now";

function isNow(date: string): boolean {
  return Math.abs(Date.now() - Date.parse(date)) < 60_000;
}

/** The bytes with what each final head that was forwarded has besides, if its app said no date of its own. */
function dated(bytes: string): string {
  let status = 0;
  let isMissing = false;
  const lines = bytes.split("\r\n").map((line) => {
    const begins = /^HTTP\/1\.1 (\d{3}) /.exec(line);
    if (begins !== null) {
      status = Number(begins[1]);
      isMissing = false;
    } else if (/^Date\s*:/i.test(line)) status = 0;
    else if (/^Via: 1\.[01] edge/.test(line)) isMissing = status >= 200;
    else if (line === "" && isMissing) {
      isMissing = false;
      return `Date: ${NOW}\r\n`;
    }
    return line;
  });
  return lines.join("\r\n");
}

/** The content of the whole chunks that a body begins with, and where the body ends; -1 while it does not. */
function readChunks(body: string): { content: string; end: number } {
  let content = "";
  for (let at = 0; ;) {
    const size = /^([1-9a-f][0-9a-f]*|0)\r\n/.exec(body.slice(at));
    if (size === null) return { content, end: -1 };
    const from = at + size[0].length;
    const to = from + Number.parseInt(size[1] as string, 16);
    if (body.slice(to, to + 2) !== "\r\n") return { content, end: -1 };
    if (to === from) return { content, end: to + 2 };
    content += body.slice(from, to);
    at = to + 2;
  }
}

/** Whether the peer has all of the bytes, or something else. */
function differs(peer: Peer, bytes: string): boolean {
  return peer.unread.length >= bytes.length || !bytes.startsWith(peer.unread);
}

/** A router and a connector with as many lanes between them. */
export async function startLanes(context: TestContext, count: number): Promise<readonly Lane[]> {
  const names = Array.from({ length: count }, (_, index) => `lane-${index}`);
  const router = await startRouter(
    context,
    names.map((service) => ({ url: "http://127.0.0.1:0", service })),
  );
  const lanes = router.ports.map((port) => new Lane(port));
  const services: Record<string, { target: string }> = {};
  for (const [index, name] of names.entries()) {
    const app = await startRawApp(context, (socket) => lanes[index]!.accept(socket));
    services[name] = { target: app.url.replace("tcp:", "http:") };
  }
  await startConnector(context, router.link, services, { name: "shed" });
  await Promise.all(names.map((name) => offered(router.node, name)));
  return lanes;
}
