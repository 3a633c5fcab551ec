/**
 * The types of the package's entry, as programs meet them. What counts happens in the compiler: `tsc` fails on a line below
 * that does not hold, and on an expected error that is none. Running it only shows that the names are there.
 */
import assert from "node:assert/strict";
import { type EventEmitter, once } from "node:events";
import { type Agent as HttpAgent, createServer, request } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { test } from "node:test";
import { Agent as UndiciAgent } from "undici";
import * as entry from "../../src/index.ts";
import type {
  Channel,
  CloseStatus,
  Dialer,
  LinkView,
  ProgramNode,
  ServiceHandler,
  ServiceStream,
} from "../../src/index.ts";

// The one way to tell types apart that are assignable to one another; the parameter is for the comparison alone.
type Equal<Left, Right> =
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters
  (<Value>() => Value extends Left ? 1 : 2) extends <Value>() => Value extends Right ? 1 : 2 ? true : false;

/** Compiles only when both types are the same. */
function same<Left, Right>(_proof: Equal<Left, Right>): void {}

/** Never called: its types are what is tested. */
export async function program(node: ProgramNode, dialer: Dialer): Promise<void> {
  same<Parameters<Parameters<typeof node.on<"linkUp">>[1]>[0], LinkView>(true);
  node.on("linkDown", ({ error }) => same<typeof error.code, entry.ErrorCode>(true));
  // @ts-expect-error there is no such event
  node.on("linkup", () => {});
  // @ts-expect-error nor may it be waited for
  node.once("linkup", () => {});
  node.once("stopped", () => {}).off("linkUp", () => {});
  // @ts-expect-error an event carries what it carries
  node.on("error", (error: number) => error);
  const emitters: readonly EventEmitter[] = [node, dialer];
  for (const emitter of emitters) emitter.removeAllListeners("linkUp");
  const [link] = (await once(node, "linkUp")) as entry.NodeEvents["linkUp"];
  same<typeof link, LinkView>(true);
  await once(dialer, "closed");
  dialer.on("dialFailed", ({ url, error }) => same<[typeof url, typeof error.code], [string, entry.ErrorCode]>(true));
  // @ts-expect-error a target is a URL or a handler
  node.register("web", 3000);
  node.register("web", "http://127.0.0.1:3000", { weight: 2, health: { path: "/healthz" } });
  // @ts-expect-error a URL's options are those of a service
  node.register("web", "http://127.0.0.1:3000", { wieght: 2 });
  const handlers: readonly ServiceHandler[] = [
    createServer(),
    { http: (_request, response) => void response.end() },
    { fetch: async (asked) => new Response(asked.body) },
    {
      stream: (stream, info) => {
        stream.end();
        same<typeof info.client, string>(true);
      },
    },
    { channel: (channel) => ({ onReceive: (data) => void channel.send(data) }) },
  ];
  for (const handler of handlers) node.serve("web", handler, { protocol: "tcp" });
  // @ts-expect-error one kind of handler is needed
  node.serve("web", {});

  const stream = await dialer.connect("phone0.web", { signal: AbortSignal.timeout(1), timeoutMs: 5, protocol: "tcp" });
  same<typeof stream, ServiceStream>(true);
  const duplex: Duplex = stream;
  const socket: Socket = dialer.open("phone0.web", { allowHalfOpen: true });
  socket.destroySoon();
  duplex.end();
  // @ts-expect-error datagrams are not dialled
  await dialer.connect("phone0.web", { protocol: "udp" });
  const agent: HttpAgent = dialer.agent();
  request("http://phone0.web/", { agent });
  same<ReturnType<typeof dialer.fetch>, Promise<Response>>(true);
  await fetch("http://phone0.web/", { dispatcher: dialer.dispatcher() });
  await new UndiciAgent({ connect: dialer.connector(), pipelining: 0 }).close();
  connectHttp2("http://phone0.web", { createConnection: () => dialer.open("phone0.web") }).close();

  const channel = await dialer.channel("phone0.chat", () => ({
    onClose: (status) => same<typeof status, CloseStatus>(true),
  }));
  same<typeof channel, Channel>(true);
  same<ReturnType<Channel["send"]>, boolean>(true);
  channel.send({ status: 200, headers: { "Set-Cookie": ["a=1", "b=2"] }, body: new Uint8Array(1) });
  // @ts-expect-error a body is text or bytes
  channel.send(5);
  for (const resolver of [
    { phone0: "tcp://a:1" },
    new Map([["phone0", ["tcp://a:1"]]]),
    async () => await Promise.resolve(undefined),
  ]) {
    entry.createDialer({ resolver });
  }
  // @ts-expect-error a configuration has no such section
  entry.createNode({ listener: [] });
}

test("the entry gives just these values", () => {
  const names = [
    "ERRORS",
    "PolarityError",
    "configJsonSchema",
    "connectAndServe",
    "createDialer",
    "createNode",
    "loadConfigFile",
    "silentLogger",
  ];
  assert.deepEqual(Object.keys(entry).sort(), names);
});
