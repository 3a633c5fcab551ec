/**
 * What programs serve, asked for in every way: each kind of handler and framework, through listeners and by each client of a
 * dialer. One world for all. What is left out is said beside the app (`served-apps`) or the way (`client-ways`).
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { PassThrough } from "node:stream";
import { after, before, describe, test } from "node:test";
import { createDialer, createNode, type Dialer, type PolarityError, type ProgramNode } from "../../src/index.ts";
import { soon, until } from "../support/patience.ts";
import { type Answer, type Asked, clientWays, type Way } from "./serving/client-ways.ts";
import { ETAG, servedApps } from "./serving/served-apps.ts";

/** How often each app noticed that its client had gone. */
const gone = new Map<string, number>();
const begun = new Map<string, number>();
const count = (counts: Map<string, number>, name: string): void => void counts.set(name, (counts.get(name) ?? 0) + 1);
const apps = await servedApps({ gone: (name) => count(gone, name), begun: (name) => count(begun, name) });
const WAYS = [
  "an HTTP/1.1 listener",
  "an h2 listener",
  "the node's own listener",
  "dialer.fetch",
  "dialer.agent",
  "undici",
  "undici's Agent",
] as const;

const ask = async (way: Way, method: string, path: string, rest: Partial<Asked> = {}): Promise<Answer> =>
  await soon(`${method} ${path}`, way.ask({ method, path, ...rest }, new AbortController().signal));

async function textOf({ body }: Answer): Promise<string> {
  const read = async (): Promise<string> => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of body) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  };
  return await soon("the end of an answer", read());
}

type Case = (way: Way, left: () => number, begun: () => number) => Promise<void>;

const cases: Readonly<Record<string, Case>> = {
  get: async (way) => {
    const answer = await ask(way, "GET", "/hello");
    assert.deepEqual([answer.status, answer.header("x-app"), await textOf(answer)], [200, "yes", "hello"]);
  },
  json: async (way) => {
    const sent = { a: [1, "two"] };
    const body = JSON.stringify(sent);
    const answer = await ask(way, "POST", "/json", { body, headers: { "content-type": "application/json" } });
    assert.equal(answer.status, 200);
    assert.deepEqual(JSON.parse(await textOf(answer)), { got: sent });
  },
  streams: async (way) => {
    const body = new PassThrough();
    const headers = { "content-type": "application/octet-stream" };
    const asked = way.ask({ method: "POST", path: "/echo", headers, body }, new AbortController().signal);
    body.write("one");
    const answer = await soon("an answer before the request's end", asked);
    assert.equal(answer.status, 200);
    const chunks = answer.body[Symbol.asyncIterator]();
    let heard = "";
    const hear = async (all: string): Promise<void> => {
      while (heard.length < all.length) {
        const { value } = (await soon(`"${all}" of "${heard}"`, chunks.next())) as { value: Uint8Array };
        heard += Buffer.from(value).toString();
      }
      assert.equal(heard, all);
    };
    await hear("one");
    body.write("two");
    await hear("onetwo");
    body.end("end");
    await hear("onetwoend");
    assert.equal((await soon("the end", chunks.next())).done, true);
  },
  events: async (way, left) => {
    const before = left();
    const abort = new AbortController();
    const answer = await soon("an answer", way.ask({ method: "GET", path: "/events" }, abort.signal));
    assert.deepEqual([answer.status, answer.header("content-type")], [200, "text/event-stream"]);
    const chunks = answer.body[Symbol.asyncIterator]();
    const { value } = (await soon("an event", chunks.next())) as { value: Uint8Array };
    assert.equal(Buffer.from(value).toString(), "data: 1\n\n");
    abort.abort();
    await chunks.next().catch(() => {});
    await until("the app's notice of a client that left", () => left() > before);
  },
  "aborted upload": async (way, left, begun) => {
    const before = left();
    const begunBefore = begun();
    const abort = new AbortController();
    const body = new PassThrough();
    const headers = { "content-type": "application/octet-stream" };
    const asked = way.ask({ method: "POST", path: "/upload", headers, body }, abort.signal);
    body.write("half");
    body.on("error", () => {});
    const refused = assert.rejects(asked);
    await until("an upload at the app", () => begun() > begunBefore);
    abort.abort();
    await soon("the client's own error", refused);
    await until("the app's notice of a client that left", () => left() > before);
    body.destroy();
  },
  missing: async (way) => {
    const answer = await ask(way, "GET", "/missing");
    assert.equal(answer.status, 404);
    assert.notEqual(await textOf(answer), "");
  },
  throws: async (way) => {
    const answer = await ask(way, "GET", "/throws");
    assert.equal(answer.status, 500);
    await textOf(answer);
  },
  head: async (way) => {
    const answer = await ask(way, "HEAD", "/hello");
    assert.deepEqual([answer.status, answer.header("content-length"), answer.header("x-app")], [200, "5", "yes"]);
  },
  "not modified": async (way) => {
    const full = await ask(way, "GET", "/tagged");
    assert.deepEqual([full.status, full.header("etag"), await textOf(full)], [200, ETAG, "tagged"]);
    const answer = await ask(way, "GET", "/tagged", { headers: { "if-none-match": ETAG } });
    assert.deepEqual([answer.status, answer.header("etag")], [304, ETAG]);
  },
  upgrade: async ({ webSocket }) => {
    if (typeof webSocket === "string") return;
    const opened = webSocket();
    await soon("an open websocket", once(opened, "open"));
    opened.send("ping");
    const [data] = (await soon("an answer", once(opened, "message"))) as [Buffer];
    assert.equal(data.toString(), "ping");
    opened.close();
    await soon("a close", once(opened, "close"));
  },
};

describe("what programs serve", () => {
  let router: ProgramNode;
  let machine: ProgramNode;
  let dialer: Dialer;
  const failures: PolarityError[] = [];

  before(async () => {
    router = createNode({
      node: { name: "edge" },
      links: { accept: [{ url: "tcp://127.0.0.1:0" }] },
      listeners: [{ url: "http://127.0.0.1:0" }],
    });
    await router.start();
    const url = router.addresses.links[0] ?? "";
    machine = createNode({
      node: { name: "phone0" },
      links: { dial: [{ url }] },
      listeners: [{ url: "http://127.0.0.1:0" }],
    });
    machine.on("error", (error) => failures.push(error));
    await machine.start();
    dialer = createDialer({ routers: [url] });
    for (const [index, { handler, options }] of apps.entries()) machine.serve(`app${index}`, handler, options);
    await until("all offers", () => router.view().services.filter(({ usable }) => usable).length === apps.length);
  });

  after(async () => {
    await dialer.close();
    await machine.stop();
    await router.stop();
  });

  describe("of every kind, in every way", { concurrency: true }, () => {
    for (const [index, { name, leftOut }] of apps.entries()) {
      describe(name, { concurrency: 1 }, () => {
        for (const [at, wayName] of WAYS.entries()) {
          test(`asked through ${wayName}`, async (t) => {
            const places = {
              dialer,
              router: router.addresses.listeners[0] ?? "",
              own: machine.addresses.listeners[0] ?? "",
              machine: "phone0",
              service: `app${index}`,
            };
            const clients = clientWays(places);
            t.after(() => clients.close());
            const way = clients.ways[at]!;
            assert.equal(way.name, wayName);
            const faults: string[] = [];
            for (const [what, run] of Object.entries(cases)) {
              if (what in leftOut) continue;
              // Each is worth knowing, not the first alone.
              const outcome = run(
                way,
                () => gone.get(name) ?? 0,
                () => begun.get(name) ?? 0,
              );
              await outcome.catch((error: unknown) => faults.push(`${what}: ${String(error)}`));
            }
            assert.deepEqual(faults, []);
          });
        }
      });
    }
  });

  test("leaves no stream open, and no failure but those on purpose", async () => {
    await until("no stream left", () => machine.view().totals.streamsOpen === 0);
    const messages = failures.map(({ message }) => message);
    assert.deepEqual(
      messages.filter((message) => !message.includes("thrown on purpose")),
      [],
    );
  });
});
