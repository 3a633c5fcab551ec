/** The putsh example's part within programs: one contract for raw streams, streaming HTTP and websockets. */
import assert from "node:assert/strict";
import { once } from "node:events";

import { WebSocket } from "ws";

// "polarity-proxy" in a program of one's own.
import { type Channel, type ChannelAcceptor, connectAndServe, createDialer, type Dialer } from "../../src/index.ts";
import { until, type Walk } from "../support/walk.ts";

type Kind = "stream" | "http" | "websocket";

/** Needs a router at `link`. */
export async function talkOverChannels(walk: Walk, link: string): Promise<void> {
  walk.part("In programs: a Channel, whatever carries it");
  const closings: string[] = [];
  const shout: ChannelAcceptor = (channel) => ({
    onReceive: (data) => {
      const said = data.toString();
      if (said === "leave me") channel.close();
      else channel.send({ status: 201, headers: { "x-kind": "shout" }, body: said.toUpperCase() });
    },
    onClose: (status) => closings.push(status),
  });
  const node = await connectAndServe({ routers: [link], name: "c", services: { shout: { channel: shout } } });
  node.serve("raw", { channel: shout }, { protocol: "tcp" });
  walk.after(() => node.stop());
  const dialer = createDialer({ routers: [link] });
  walk.after(() => dialer.close());

  await walk.check("Channel over a raw stream", () => converse(dialer, "stream"));
  await walk.check("Channel over streaming HTTP, with status and headers of the first send", () =>
    converse(dialer, "http"),
  );
  await walk.check("Channel over a websocket", () => converse(dialer, "websocket"));
  await walk.check("the serving side hears of each end, once", async () => {
    return await until("three ends", async () => closings.length === 3 && closings.join(", "));
  });
  await walk.check("a thousand messages arrive in order", async () => {
    const said = Array.from({ length: 1000 }, (_, index) => `message ${index}`);
    const ended = closings.length + 1;
    const { channel, heard } = await begin(dialer, "websocket");
    for (const message of said) channel.send(message);
    await until("all of them", async () => heard.length === said.length);
    assert.deepEqual(
      heard,
      said.map((message) => message.toUpperCase()),
    );
    channel.close();
    await until("the end", async () => closings.length === ended);
    return `to ${heard.at(-1)}`;
  });
  await walk.check("a side that closes is told as such: server-close, client-close", async () => {
    const { channel, ends } = await begin(dialer, "stream");
    channel.send("leave me");
    await until("the end", async () => ends.length === 1);
    assert.deepEqual([ends, channel.isOpen, channel.close()], [["server-close"], false, false]);
    return "server-close";
  });
  await walk.check("a websocket's close codes are told as statuses", async () => {
    const heard: string[] = [];
    for (const code of [1000, 1001, 1002, 1003, 4000]) {
      const before = closings.length;
      const socket = new WebSocket("ws://c.shout/", { agent: dialer.agent() });
      await once(socket, "open");
      socket.close(code);
      heard.push(await until(`the end by ${code}`, async () => closings.length > before && closings.at(-1)!));
    }
    assert.deepEqual(heard, ["normal", "going-away", "protocol-error", "unsupported", "unknown"]);
    return heard.join(", ");
  });
}

/** Says something, hears the answer, closes: the whole contract from the client's side. */
async function converse(dialer: Dialer, kind: Kind): Promise<string> {
  const { channel, heard, ends, responses } = await begin(dialer, kind);
  assert.deepEqual([channel.isOpen, channel.isWebSocket], [true, kind === "websocket"]);
  assert.equal(channel.send("hello"), true);
  await until("the answer", async () => heard.join("") === "HELLO");
  assert.deepEqual(responses, kind === "http" ? ["201 shout"] : []);
  assert.equal(channel.close(), true);
  assert.deepEqual([channel.close(), channel.isOpen, channel.send("late")], [false, false, false]);
  await until("the end", async () => ends.length > 0);
  assert.deepEqual(ends, ["client-close"]);
  return "HELLO, then client-close, once";
}

/** A channel of a client's, with what it has heard. */
interface Conversation {
  readonly channel: Channel;
  readonly heard: readonly string[];
  readonly ends: readonly string[];
  readonly responses: readonly string[];
}

async function begin(dialer: Dialer, kind: Kind): Promise<Conversation> {
  const [heard, ends, responses]: [string[], string[], string[]] = [[], [], []];
  const listen: ChannelAcceptor = () => ({
    onReceive: (data) => heard.push(data.toString()),
    onClose: (status) => ends.push(status),
    onResponse: ({ status, headers }) => responses.push(`${status} ${String(headers["x-kind"])}`),
  });
  const service = kind === "stream" ? "c.raw" : "c.shout";
  const channel = await dialer.channel(service, listen, { kind });
  return { channel, heard, ends, responses };
}
