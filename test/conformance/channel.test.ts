/** The Channel contract: one suite over every kind of channel, on real links, seen from the server and from the client. */
import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import { WebSocket } from "ws";
import type { Channel, ChannelInfo, ChannelOptions, CloseStatus, Dialer, ProgramNode } from "../../src/index.ts";
import { soon } from "../support/patience.ts";
import { startDialer, startLinkRouter, startMachine } from "../support/programs.ts";

interface Kind {
  readonly name: string;
  readonly options: ChannelOptions;
  readonly isWebSocket: boolean;
  /** Text stays text, and a message one message. */
  readonly messages: boolean;
  /** What a side hears when the other called `close`. */
  readonly closedByClient: CloseStatus;
  readonly closedByServer: CloseStatus;
}

const KINDS: readonly Kind[] = [
  {
    name: "websocket",
    options: { kind: "websocket" },
    isWebSocket: true,
    messages: true,
    closedByClient: "normal",
    closedByServer: "normal",
  },
  {
    name: "streaming HTTP",
    options: { kind: "http" },
    isWebSocket: false,
    messages: false,
    closedByClient: "client-close",
    closedByServer: "server-close",
  },
  {
    name: "raw stream",
    options: { kind: "stream" },
    isWebSocket: false,
    messages: false,
    closedByClient: "client-close",
    closedByServer: "server-close",
  },
];

/** One side of a channel: what it heard, and a way to wait for it. */
class Side {
  channel!: Channel;
  info: ChannelInfo | undefined;
  readonly received: (string | Buffer)[] = [];
  readonly statuses: CloseStatus[] = [];
  response: { readonly status: number } | undefined;
  #waiting: (() => void)[] = [];

  readonly accept = (channel: Channel, info: ChannelInfo) => {
    this.channel = channel;
    this.info = info;
    this.#wake();
    return {
      onReceive: (data: string | Buffer) => {
        this.received.push(data);
        this.#wake();
      },
      onClose: (status: CloseStatus) => {
        this.statuses.push(status);
        this.#wake();
      },
      onResponse: (response: { readonly status: number }) => {
        this.response = response;
        this.#wake();
      },
    };
  };

  /** All that came, joined; bytes as UTF-8. */
  get text(): string {
    return this.received.map(String).join("");
  }

  async until(what: string, condition: () => boolean): Promise<void> {
    const wait = async (): Promise<void> => {
      while (!condition()) {
        await new Promise<void>((resolve) => {
          this.#waiting.push(resolve);
        });
      }
    };
    await soon(what, wait());
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}

interface Sides {
  readonly server: Side;
  readonly client: Side;
  readonly dialer: Dialer;
  readonly machine: ProgramNode;
}

async function open(context: TestContext, { options }: Kind): Promise<Sides> {
  const { url } = await startLinkRouter(context);
  const machine = await startMachine(context, "phone0", url);
  const server = new Side();
  const client = new Side();
  machine.serve("chat", { channel: server.accept }, { protocol: options.kind === "stream" ? "tcp" : "http/1.1" });
  const dialer = startDialer(context, { routers: [url] });
  await dialer.channel("phone0.chat", client.accept, options);
  await server.until("a channel at the server", () => server.channel !== undefined);
  return { server, client, dialer, machine };
}

for (const kind of KINDS) {
  describe(`a channel over a ${kind.name}`, () => {
    test("is open on both sides, says what it is, and who asked", async (t) => {
      const { server, client } = await open(t, kind);
      for (const { channel } of [server, client]) {
        assert.equal(channel.isOpen, true);
        assert.equal(channel.isWebSocket, kind.isWebSocket);
      }
      assert.equal(server.info?.service, "chat");
      assert.equal(server.info?.request?.path, kind.options.kind === "stream" ? undefined : "/");
    });

    test("carries text and bytes both ways, in order", async (t) => {
      const { server, client } = await open(t, kind);
      for (const [from, to] of [
        [client, server],
        [server, client],
      ] as const) {
        assert.equal(from.channel.send("grüße "), true);
        assert.equal(from.channel.send(Buffer.from("bytes ")), true);
        assert.equal(from.channel.send({ body: "in a group" }), true);
        await to.until("all three", () => to.text === "grüße bytes in a group");
        const kinds = to.received.map((data) => typeof data);
        if (kind.messages) assert.deepEqual(kinds, ["string", "object", "string"]);
        else
          assert.ok(
            kinds.every((type) => type === "object"),
            "bytes",
          );
      }
    });

    test("keeps the order of many sends, and sends at once", async (t) => {
      const { server, client } = await open(t, kind);
      const words = Array.from({ length: 2_000 }, (_, index) => `${index} `);
      for (const word of words) assert.equal(server.channel.send(word), true);
      await client.until("the last word", () => client.text.length === words.join("").length);
      assert.equal(client.text, words.join(""));
    });

    test("passes over status and headers after the first send, and wherever there are none", async (t) => {
      const { server, client } = await open(t, kind);
      client.channel.send({ status: 500, headers: { "X-A": "b" }, body: "asked" });
      await server.until("the question", () => server.text === "asked");
      server.channel.send({ status: 201, headers: { "X-A": "b" }, body: "first " });
      server.channel.send({ status: 500, headers: { "X-A": "c" }, body: "second" });
      await client.until("the answer", () => client.text === "first second");
      assert.equal(client.response?.status, kind.options.kind === "http" ? 201 : undefined);
      assert.equal(client.channel.isOpen, true);
    });

    test("is closed by its client once, and then sends nothing", async (t) => {
      const { server, client } = await open(t, kind);
      client.channel.send("last words");
      assert.equal(client.channel.close(), true);
      assert.equal(client.channel.isOpen, false);
      assert.equal(client.channel.close(), false);
      assert.equal(client.channel.send("too late"), false);
      assert.deepEqual(client.statuses, ["client-close"]);
      await server.until("the end", () => server.statuses.length > 0);
      assert.deepEqual(server.statuses, [kind.closedByClient]);
      assert.equal(server.text, "last words");
      assert.equal(server.channel.isOpen, false);
      assert.equal(server.channel.close(), false);
      assert.equal(server.channel.send("too late"), false);
    });

    test("is closed by its server once, after what it sent", async (t) => {
      const { server, client } = await open(t, kind);
      server.channel.send("last words");
      assert.equal(server.channel.close(), true);
      assert.equal(server.channel.close(), false);
      assert.deepEqual(server.statuses, ["server-close"]);
      await client.until("the end", () => client.statuses.length > 0);
      assert.deepEqual(client.statuses, [kind.closedByServer]);
      assert.equal(client.text, "last words");
      assert.equal(client.channel.send("too late"), false);
    });

    test("tells an end once when both sides close", async (t) => {
      const { server, client } = await open(t, kind);
      assert.equal(client.channel.close(), true);
      server.channel.close();
      await server.until("the end", () => server.statuses.length > 0);
      await client.until("the end", () => client.statuses.length > 0);
      assert.equal(server.statuses.length, 1);
      assert.deepEqual(client.statuses, ["client-close"]);
    });

    test("tells both sides when the machine goes away", async (t) => {
      const { server, client, machine } = await open(t, kind);
      await machine.stop();
      await client.until("the end at the client", () => client.statuses.length > 0);
      await server.until("the end at the server", () => server.statuses.length > 0);
      assert.equal(client.channel.isOpen || server.channel.isOpen, false);
      assert.equal(client.statuses.length + server.statuses.length, 2);
    });
  });
}

test("close codes of a websocket become statuses", async (t) => {
  const { url } = await startLinkRouter(t);
  const machine = await startMachine(t, "phone0", url);
  const dialer = startDialer(t, { routers: [url] });
  const codes = [
    [1000, "normal"],
    [1001, "going-away"],
    [1002, "protocol-error"],
    [1003, "unsupported"],
    [4000, "unknown"],
    [undefined, "normal"],
    ["terminate", "client-close"],
    ["garbage", "protocol-error"],
  ] as const;
  for (const [code, status] of codes) {
    const server = new Side();
    machine.serve("chat", { channel: server.accept });
    const socket = new WebSocket("ws://phone0.chat/", { agent: dialer.agent() });
    await new Promise((resolve) => socket.once("open", resolve));
    socket.on("error", () => {});
    if (code === "terminate") socket.terminate();
    // A frame with reserved bits, which no extension gave a meaning.
    else if (code === "garbage")
      (socket as unknown as { _socket: NodeJS.WritableStream })._socket.write(Buffer.from([0xf1, 0x80, 0, 0, 0, 0]));
    else if (code === undefined) socket.close();
    else socket.close(code);
    await server.until(`the end by ${code}`, () => server.statuses.length > 0);
    assert.deepEqual(server.statuses, [status], String(code));
  }
});

test("a channel that nobody serves is an error of opening it", async (t) => {
  const { url } = await startLinkRouter(t);
  const machine = await startMachine(t, "phone0", url);
  machine.serve("other", { channel: () => {} }, { protocol: "tcp" });
  const dialer = startDialer(t, { routers: [url] });
  // So that the link is up: the time-out is of the service.
  (await dialer.channel("phone0.other", () => {}, { kind: "stream" })).close();
  for (const kind of ["stream", "http", "websocket"] as const) {
    const opening = dialer.channel("phone0.chat", () => {}, { kind, timeoutMs: 400 });
    await assert.rejects(opening, { code: "NO_OFFER" }, kind);
  }
});
