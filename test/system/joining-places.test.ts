/** Connections to a link port that never join do not keep out those who do. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { test, type TestContext } from "node:test";
import { encodeHeader, FLAG_SYN, TYPE_DATA } from "../../src/mux/frame.ts";
import { PolarityError } from "../../src/base/errors.ts";
import { Acceptor } from "../../src/link/acceptor.ts";
import { portOf } from "../support/cluster.ts";
import { testCertificates } from "../support/link-media.ts";
import { joinAs, LinkNode } from "../support/link-node.ts";
import { soon } from "../support/patience.ts";
import { PolarityProcess } from "../support/polarity-process.ts";

const FULL = process.env["POLARITY_TEST_FULL"] === "1";

const HELLO = '{"type":"hello","protocol":1,"node":"slow"';
const UPGRADE = "GET /register HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
const KEY = `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${"A".repeat(22)}==\r\n`;
/** How far each gets: nothing, a part of a TLS hello, of an upgrade, a websocket without a hello, a part of a hello. */
const BEGINNINGS = [
  Buffer.alloc(0),
  Buffer.from([0x16, 3, 1]),
  Buffer.from(UPGRADE),
  Buffer.from(`${UPGRADE}${KEY}Sec-WebSocket-Protocol: polarity.1\r\n\r\n`.replace("/register", "/")),
  Buffer.concat([encodeHeader(TYPE_DATA, FLAG_SYN, 1, HELLO.length), Buffer.from(HELLO)]),
];

async function silent(t: TestContext, port: number, localAddress: string, beginning: Buffer): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1", localAddress });
  t.after(() => socket.destroy());
  socket.on("error", () => {});
  await once(socket, "connect");
  socket.write(beginning);
  return socket;
}

test("those who do not join yield their places to other addresses, at whatever step they stopped", async (t) => {
  const { server } = await testCertificates();
  const node = new LinkNode("router", { limits: { joiningMax: 8 } });
  const acceptor = await Acceptor.listen({
    place: { kind: "tcp", host: "127.0.0.1", port: 0 },
    tls: server,
    tokens: undefined,
    insecure: false,
    context: node.context,
  });
  t.after(async () => {
    await acceptor.close();
    for (const link of acceptor.links) link.close(new PolarityError("NODE_STOPPED", "the test is over"));
  });
  const port = portOf(acceptor.url);
  for (const scheme of ["tcp", "ws"]) {
    for (let at = 0; at < 15; at++) await silent(t, port, "127.0.0.2", BEGINNINGS[at % BEGINNINGS.length]!);
    const began = performance.now();
    await soon("a link", joinAs(t, scheme, `${scheme}://127.0.0.1:${port}`));
    assert.ok(performance.now() - began < 1_500, "the first try found a place");
  }
});

test(
  "1,400 silent connections from the address of a connector keep it out for moments only",
  { skip: !FULL },
  async (t) => {
    const flags = "--link tcp://127.0.0.1:0 --listen http://127.0.0.1:0";
    const router = new PolarityProcess(t, ["router", ...flags.split(" ")]);
    const { links } = await router.ready();
    for (let at = 0; at < 1_400; at++) await silent(t, portOf(links[0]!), "127.0.0.1", Buffer.alloc(0));
    await soon("a link", joinAs(t, "connector", links[0]!), 6_000);
  },
);
