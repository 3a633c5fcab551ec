/**
 * Peers that say JSON that no parser or printer is made for, to real processes: routers that they dial, in every way in which a
 * link can be dialled, and connectors that dial them. No process ends, none says that it failed, and the next peer in order is served.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { WebSocket } from "ws";

import { encodeHeader, FLAG_SYN, TYPE_DATA } from "../../src/mux/frame.ts";
import { testCertificates } from "../support/link-media.ts";
import { CONTROL_MESSAGES, controlLine, HOSTILE_VALUES, line, PREAMBLE } from "../support/hostile-json.ts";
import { NODE_24, withoutNode24 } from "../support/node-versions.ts";
import { until } from "../support/patience.ts";
import { PolarityProcess } from "../support/polarity-process.ts";
import { authorityFile, replaceFiles } from "../support/tls-files.ts";

const full = process.env["POLARITY_TEST_FULL"] === "1";

const VERSIONS = [
  { name: "this Node.js", node: process.execPath, skip: false },
  { name: "Node.js 24", node: NODE_24, skip: withoutNode24 || (full ? false : "a full run does this") },
] as const;

/** Of what does not overflow anything, `npm test` says a part. */
const SAID_OF_THE_REST = full ? 1 : 8;

/** What one peer says: on the control stream, then on a stream of its own. */
interface Speech {
  readonly lines: readonly string[];
  readonly preamble: string;
}

/** As the side that opens the control stream (`hello`), or as the one that answers there (`welcome`). */
function* speeches(first: "hello" | "welcome"): Generator<Speech> {
  const fields = CONTROL_MESSAGES[first]!;
  const inOrder = controlLine(first);
  for (const [at, value] of [...HOSTILE_VALUES.values()].entries()) {
    if (at > 2 && at % SAID_OF_THE_REST !== 0) continue;
    for (const name of ["node", "token", "offers", "limits", "__proto__"]) {
      yield { lines: [line({ type: `"${first}"`, ...fields, [name]: value })], preamble: "" };
    }
    yield { lines: [line({ type: value })], preamble: "" };
    yield { lines: [`${value}\n`], preamble: "" };
    yield { lines: [inOrder, line({ type: '"offer"', ...CONTROL_MESSAGES["offer"], labels: value })], preamble: "" };
    yield { lines: [inOrder, line({ type: '"error"', code: value, message: value })], preamble: "" };
    yield { lines: [inOrder], preamble: line({ ...PREAMBLE, service: value }) };
    yield { lines: [inOrder], preamble: line({ ...PREAMBLE, unknown: value }) };
  }
}

function bytesOf({ lines, preamble }: Speech, opens: boolean): Buffer {
  const frames = lines.map((text, at) => frame(opens && at === 0 ? FLAG_SYN : 0, 1, text));
  if (preamble !== "") frames.push(frame(FLAG_SYN, opens ? 3 : 2, preamble));
  return Buffer.concat(frames);
}

function frame(flags: number, id: number, text: string): Buffer {
  return Buffer.concat([encodeHeader(TYPE_DATA, flags, id, Buffer.byteLength(text)), Buffer.from(text)]);
}

/** Says it all and half-closes; resolves when the router has closed the connection, one way or another. */
async function sayTo(url: URL, transport: "tcp" | "ws", bytes: Buffer): Promise<void> {
  await new Promise<void>((resolve) => {
    if (transport === "tcp") {
      const socket = connect(Number(url.port), url.hostname, () => socket.end(bytes));
      socket.on("error", () => {});
      socket.on("close", () => resolve());
      socket.resume();
      return;
    }
    const webSocket = new WebSocket(`ws://${url.host}`, "polarity.1", { perMessageDeflate: false });
    webSocket.on("error", () => {});
    webSocket.on("close", () => resolve());
    webSocket.on("open", () => {
      webSocket.send(bytes);
      webSocket.close();
    });
  });
}

interface RouterCase {
  readonly name: string;
  readonly transport: "tcp" | "ws";
  flags(folder: string): Promise<readonly string[]>;
}

function tokensFlags(folder: string): readonly string[] {
  const tokens = join(folder, "tokens.yaml");
  writeFileSync(tokens, "somebody: a-long-enough-token-for-tests\n", { mode: 0o600 });
  return ["--tokens-file", tokens];
}

const ROUTERS: readonly RouterCase[] = [
  { name: "without tokens", transport: "tcp", flags: () => Promise.resolve([]) },
  { name: "with tokens", transport: "tcp", flags: (folder) => Promise.resolve(tokensFlags(folder)) },
  { name: "over websockets", transport: "ws", flags: () => Promise.resolve([]) },
  {
    name: "that wants client certificates, over plain TCP",
    transport: "tcp",
    flags: async (folder) => {
      const { authority, server } = await testCertificates();
      const files = { cert: join(folder, "router.crt"), key: join(folder, "router.key") };
      replaceFiles(files, server);
      const ca = authorityFile(folder, authority);
      return ["--tls-cert", files.cert, "--tls-key", files.key, "--client-ca", ca];
    },
  },
];

function temporaryFolder(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "polarity-hostile-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

for (const { name: version, node, skip } of VERSIONS) {
  for (const router of ROUTERS) {
    test(`${version}: a router ${router.name} outlives every hostile dialler`, { skip }, async (t) => {
      const flags = await router.flags(temporaryFolder(t));
      const addresses = [
        "--link",
        "tcp://127.0.0.1:0",
        "--listen",
        "http://127.0.0.1:0",
        "--admin",
        "http://127.0.0.1:0",
      ];
      const nodeProcess = new PolarityProcess(t, ["router", ...addresses, ...flags], { node });
      const { links, admin } = await nodeProcess.ready();
      const url = new URL(links[0]!);
      const said = speeches("hello").map((speech) => bytesOf(speech, true));
      await Promise.all(
        Array.from({ length: 8 }, async () => {
          for (const bytes of said) await sayTo(url, router.transport, bytes);
        }),
      );
      const answer = await fetch(`${admin}/metrics`);
      assert.equal(answer.status, 200);
      assert.doesNotMatch(await answer.text(), /polarity_internal_errors_total\{/);
      for (const text of nodeProcess.stderr.split("\n")) assert.ok(text.length < 2_000, text.slice(0, 2_000));
      assert.ok(!nodeProcess.stderr.includes("secret"));
    });
  }

  test(`${version}: a connector outlives every hostile router that it dials`, { skip }, async (t) => {
    const waiting = [...speeches("welcome")];
    const total = waiting.length;
    // A connector waits longer and longer for a router that fails; so there are many, and each gets its share.
    const servers = 24;
    let left = servers;
    const done = Promise.withResolvers<void>();
    const routers = await Promise.all(
      Array.from({ length: servers }, async (_, index) => {
        const mine = waiting.filter((_speech, at) => at % servers === index).slice(0, 3);
        const server = createServer((socket) => {
          socket.on("error", () => {});
          socket.once("data", () => {
            const speech = mine.shift();
            if (speech === undefined) {
              if (--left === 0) done.resolve();
              server.close();
              socket.destroy();
            } else socket.end(bytesOf(speech, false));
          });
          socket.resume();
        });
        t.after(() => server.close());
        await new Promise<void>((resolve) => {
          server.listen(0, "127.0.0.1", resolve);
        });
        const { port } = server.address() as { port: number };
        return ["--router", `tcp://127.0.0.1:${port}`];
      }),
    );
    assert.ok(total > servers);
    const args = ["connect", "web=http://127.0.0.1:1", ...routers.flat(), "--admin", "http://127.0.0.1:0"];
    const connector = new PolarityProcess(t, args, { node });
    const { admin } = await connector.ready();
    await Promise.race([done.promise, connector.exited.then(() => assert.fail(connector.stderr))]);
    await until("the admin API answers", async () => (await fetch(`${admin}/livez`)).status === 200);
    assert.doesNotMatch(await (await fetch(`${admin}/metrics`)).text(), /polarity_internal_errors_total\{/);
    for (const text of connector.stderr.split("\n")) assert.ok(text.length < 2_000, text.slice(0, 2_000));
  });
}
