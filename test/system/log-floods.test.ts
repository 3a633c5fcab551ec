/**
 * Whatever a stranger can repeat is one line at once and one more in 10 s with the count, at the router as at the connector: the
 * log of neither grows with what clients, peers, apps and scanners do.
 */
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { encodeHeader, FLAG_SYN, TYPE_DATA } from "../../src/mux/frame.ts";
import { until } from "../support/patience.ts";
import { PolarityProcess } from "../support/polarity-process.ts";

const TIMES = 100;
/** For all of it; the last line of each comes after 10 s. */
const QUIET_MS = 10_000;
const TOKEN = "a-token-that-is-long-enough-1234";

interface Line {
  readonly msg: string;
  readonly notShown?: number;
}

const linesOf = (node: PolarityProcess): readonly Line[] =>
  node.stderr
    .split("\n")
    .filter((text) => text.startsWith("{"))
    .map((text) => JSON.parse(text) as Line);

/** Says `bytes` to a port and resolves when the connection is over. */
function say(url: URL, bytes: Buffer | string): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(Number(url.port), url.hostname, () => socket.end(bytes));
    socket.on("error", () => {});
    socket.on("close", () => resolve());
    socket.resume();
  });
}

function get(url: URL, headers: Record<string, string>): Promise<void> {
  return new Promise((resolve) => {
    const asked = request(url, { headers, agent: false }, (response) => {
      response.resume().on("close", () => resolve());
    });
    asked.on("error", () => resolve()).end();
  });
}

function hello(fields: Record<string, unknown>, ...more: readonly object[]): Buffer {
  const first = { type: "hello", protocol: 1, node: "flood", instance: "i", token: TOKEN, ...fields };
  const lines = [first, ...more].map((line) => `${JSON.stringify(line)}\n`).join("");
  return Buffer.concat([encodeHeader(TYPE_DATA, FLAG_SYN, 1, Buffer.byteLength(lines)), Buffer.from(lines)]);
}

test(
  "each event that a stranger repeats 100 times is at most two lines in 10 s, and all of them are counted",
  { timeout: 60_000 },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "polarity-floods-"));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const tokens = join(folder, "tokens.yaml");
    const token = join(folder, "token");
    writeFileSync(tokens, `flood: ${TOKEN}\nconnector: ${TOKEN}-2\n`, { mode: 0o600 });
    writeFileSync(token, `${TOKEN}-2\n`, { mode: 0o600 });
    const listeners = ["http://127.0.0.1:0=web", "tcp://127.0.0.1:0=db", "udp://127.0.0.1:0=dns"];
    const routerFlags = ["--link", "tcp://127.0.0.1:0", "--tokens-file", tokens, "--cranker", "--log-format", "json"];
    const listenFlags = listeners.flatMap((listener) => ["--listen", listener]);
    const router = new PolarityProcess(t, ["router", ...routerFlags, ...listenFlags]);
    const { links, listeners: bound } = await router.ready();
    const link = new URL(links[0]!);
    const [http, tcp, udp] = bound.map((url) => new URL(url)) as [URL, URL, URL];
    const services = ["web=http://127.0.0.1:1", "db=tcp://127.0.0.1:1", "dns=udp://127.0.0.1:1"];
    const flags = ["--router", links[0]!, "--token-file", token, "--log-format", "json", "--name", "connector"];
    const connector = new PolarityProcess(t, ["connect", ...services, ...flags]);
    await connector.ready();
    await until("the connector has joined", () =>
      linesOf(router).some(({ msg }) => msg.includes('"connector" joined')),
    );

    const floods: readonly {
      readonly what: string;
      readonly at: readonly PolarityProcess[];
      readonly line: RegExp;
      /** Datagrams may be lost, and one connection may bring several lines. */
      readonly least?: number;
      readonly once: () => Promise<void>;
    }[] = [
      {
        what: "requests to an app that is down",
        at: [router],
        line: /127\.0\.0\.1:1\b.*(ECONNREFUSED|refused)/,
        once: () => get(http, {}),
      },
      {
        what: "connections to an app that is down",
        at: [router],
        line: /tcp:\/\/127\.0\.0\.1:1/,
        once: () => say(tcp, "x"),
      },
      { what: "a peer that joins", at: [router], line: /node "flood" joined/, once: () => say(link, hello({})) },
      { what: "a peer that leaves", at: [router], line: /node "flood" left/, once: () => Promise.resolve() },
      {
        what: "wrong tokens",
        at: [router],
        line: /the token is not known here/,
        once: () => say(link, hello({ token: "x".repeat(40) })),
      },
      {
        what: "offers of another's name",
        at: [router],
        line: /an offer of node "thief" is refused/,
        once: () => say(link, hello({ node: "thief" }, { type: "offer", service: "web", protocol: "http/1.1" })),
      },
      {
        what: "complaints of a peer",
        at: [router],
        line: /says: something is wrong/,
        once: () =>
          say(link, hello({ node: "whiner" }, { type: "error", code: "OVERLOADED", message: "something is wrong" })),
      },
      {
        what: "costs that change",
        at: [router],
        line: /the link to node "moody" costs/,
        once: () => say(link, hello({ node: "moody" }, { type: "cost", cost: 1 })),
      },
      {
        what: "cranker connectors without a token",
        at: [router],
        line: /a cranker connector from .* is refused/,
        once: () =>
          say(
            link,
            "GET /register HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nCrankerProtocol: 1.0\r\nRoute: x\r\n\r\n",
          ),
      },
      {
        what: "datagrams to an app that is down",
        at: [connector],
        line: /nobody listens at udp:\/\/127\.0\.0\.1:1/,
        least: 2,
        once: () =>
          new Promise((resolve) => {
            const socket = createSocket("udp4");
            socket.send("x", Number(udp.port), udp.hostname, () => socket.close(() => resolve()));
          }),
      },
    ];
    const session = connectHttp2(http.origin);
    t.after(() => session.destroy());
    const askByHttp2 = (): Promise<void> =>
      new Promise((resolve) => {
        const stream = session.request({ ":path": "/" });
        stream
          .on("close", () => resolve())
          .resume()
          .end();
      });
    const started = performance.now();
    await Promise.all(
      [...floods.map((flood) => flood.once), askByHttp2].map(async (once) => {
        for (let count = 0; count < TIMES; count++) await once();
      }),
    );
    const took = performance.now() - started;
    // Scanners and others that are told only to who debugs write nothing.
    for (let count = 0; count < TIMES; count++) await say(link, "\u0001garbage");

    const matching = (node: PolarityProcess, line: RegExp): readonly Line[] =>
      linesOf(node).filter(({ msg }) => line.test(msg));
    const counted = (lines: readonly Line[]): number => lines.reduce((sum, { notShown = 0 }) => sum + 1 + notShown, 0);
    for (const { what, at, line, least = TIMES } of floods) {
      for (const node of at) {
        await until(`${what} are counted`, () => counted(matching(node, line)) >= least, 2 * QUIET_MS);
        const lines = matching(node, line);
        // One at once, and one in each 10 s that the flood lasts or ends in.
        const most = 2 + Math.ceil((took + 2 * QUIET_MS) / QUIET_MS);
        assert.ok(
          lines.length <= most,
          `${what}: ${lines.length} lines, more than ${most}: ${JSON.stringify(lines.slice(0, 5))}`,
        );
      }
    }
    const all = linesOf(router).length;
    assert.ok(all < 100, `${all} lines in all`);
  },
);
