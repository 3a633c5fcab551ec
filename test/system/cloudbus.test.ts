/** Cloudbus's INI files, run as processes by the commands that are named after them. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { test, type TestContext } from "node:test";
import { parse } from "yaml";
import { testCertificates } from "../support/link-media.ts";
import { authorityFile, certificateFiles } from "../support/tls-files.ts";
import { portOf } from "../support/cluster.ts";
import { until } from "../support/patience.ts";
import { PolarityProcess, run } from "../support/polarity-process.ts";
import { freePort, temporaryFolder } from "../support/servers.ts";
import { WireClient } from "../support/wire-client.ts";

const EXAMPLES = join(import.meta.dirname, "..", "..", "examples", "cloudbus");

async function serve(context: TestContext, answer: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    answer(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  context.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as AddressInfo).port;
}

/** The example's files with these ports in place of their own; returns the port where clients come in. */
async function startCloudbus(context: TestContext, servers: readonly number[], mode: string): Promise<number> {
  const folder = temporaryFolder(context);
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const segment = readFileSync(join(EXAMPLES, "segment.ini"), "utf8");
  const links: string[] = [];
  for (const [index, server] of servers.entries()) {
    const text = segment.replace(":7201", ":0").replace(":7301", `:${server}`);
    const running = new PolarityProcess(context, ["segment", "-c", file(`segment-${index}.ini`, text)]);
    const [link = ""] = (await running.ready()).links;
    links.push(`tcp://127.0.0.1:${portOf(link)}`);
  }
  const controller = readFileSync(join(EXAMPLES, "controller.ini"), "utf8")
    .replace(":7100", ":0")
    .replaceAll(/^server.*\n/gm, "")
    .replace("half duplex", mode)
    .concat(links.map((link) => `server = ${link}\n`).join(""));
  const running = new PolarityProcess(context, ["controller", "-c", file("controller.ini", controller)]);
  const { listeners } = await running.ready();
  await until("all segments are linked", () => running.stderr.split("joined node").length > servers.length);
  return portOf(listeners[0] ?? "");
}

test("the first server that answers keeps the session; 3 MB there and back", { timeout: 110_000 }, async (context) => {
  const echo = await serve(context, (socket) => socket.pipe(socket));
  const silent = await serve(context, (socket) => socket.resume());
  const client = new WireClient(context, await startCloudbus(context, [silent, echo], "half duplex"));
  const bytes = "0123456789abcdef".repeat((3 * 1024 * 1024) / 16);
  client.send(bytes).halfClose();
  assert.ok((await client.readAll()) === bytes);
});

test(
  "half duplex: refusals are no answer, all at once is one, none is an end",
  { timeout: 110_000 },
  async (context) => {
    const dead = await freePort();
    const refused = await startCloudbus(
      context,
      [dead, await serve(context, (socket) => socket.end("me"))],
      "half duplex",
    );
    assert.equal(await new WireClient(context, refused).halfClose().readAll(), "me");
    const answers = await Promise.all(["aaaa", "bbbb"].map((text) => serve(context, (socket) => socket.end(text))));
    const racing = await startCloudbus(context, answers, "half duplex");
    for (let count = 0; count < 10; count++) {
      assert.match(await new WireClient(context, racing).halfClose().readAll(), /^(aaaa|bbbb)$/);
    }
    const silent = await serve(context, (socket) => socket.end());
    const none = new WireClient(context, await startCloudbus(context, [silent, dead], "half duplex"));
    assert.equal(await none.ended, "end");
  },
);

test(
  "full duplex merges, goes on without who leaves, and hears late answers",
  { timeout: 110_000 },
  async (context) => {
    const sockets: Socket[] = [];
    const servers = await Promise.all(
      [0, 1].map((index) => serve(context, (socket) => void (sockets[index] = socket))),
    );
    const client = new WireClient(context, await startCloudbus(context, servers, "full duplex"));
    await until("both are connected", () => sockets[0] !== undefined && sockets[1] !== undefined);
    sockets[0]!.write("one");
    sockets[1]!.write("two");
    assert.match(await client.read(6), /^(onetwo|twoone)$/);
    sockets[0]!.resetAndDestroy();
    client.send("on").halfClose();
    assert.equal(String((await once(sockets[1]!, "data"))[0]), "on");
    sockets[1]!.end("late");
    assert.equal(await client.readAll(), "late");
  },
);

/** Writes controller.ini and as many segments' files as there are sections for, and runs them. */
async function startFiles(
  context: TestContext,
  folder: string,
  segments: readonly { readonly section: string; readonly bind: string; readonly server: string }[],
  options: { scheme?: string; mode?: string; segmentFlags?: (index: number) => string[]; flags?: string[] } = {},
): Promise<{ port: number; controller: PolarityProcess }> {
  const { scheme = "tcp", mode = "full_duplex = yes", segmentFlags = () => [], flags = [] } = options;
  const servers: string[] = [];
  for (const [index, { section, bind, server }] of segments.entries()) {
    const file = join(folder, `segment-${index}.ini`);
    writeFileSync(file, `[Cloudbus]\n[${section}]\nbind = ${bind}\nbackend = ${server}\n`);
    // Flags name files where the command is given, and not beside the INI file.
    const segment = new PolarityProcess(context, ["segment", "-c", file, ...segmentFlags(index)], { cwd: tmpdir() });
    const [link = ""] = (await segment.ready()).links;
    servers.push(link.replace(/^tcp:/, `${scheme}:`));
  }
  const lines = servers.map((server) => `server = ${server}\n`).join("");
  const file = join(folder, "controller.ini");
  writeFileSync(file, `[Cloudbus]\n[Echo]\nbind = tcp://127.0.0.1:0\n${lines}${mode}\n`);
  const controller = new PolarityProcess(context, ["controller", "-c", file, ...flags], { cwd: tmpdir() });
  const { listeners } = await controller.ready();
  await until("all segments are linked", () => controller.stderr.split("joined node").length > segments.length);
  return { port: portOf(listeners[0] ?? ""), controller };
}

test(
  "segments with certificates of their own are one owner of what they offer",
  { timeout: 110_000 },
  async (context) => {
    const folder = temporaryFolder(context);
    const { authority } = await testCertificates();
    const answers = await Promise.all(["one", "two"].map((text) => serve(context, (socket) => socket.end(text))));
    const names = ["first.segment.test", "second.segment.test"];
    for (const name of names) await certificateFiles(folder, authority, name, { ips: ["127.0.0.1"] });
    const here = (name: string): string => relative(tmpdir(), join(folder, name));
    const segments = answers.map((port) => ({
      section: "Echo",
      bind: "tcp://127.0.0.1:0",
      server: `tcp://127.0.0.1:${port}`,
    }));
    const { port, controller } = await startFiles(context, folder, segments, {
      scheme: "tls",
      segmentFlags: (index) => ["--tls-cert", here(`${names[index]}.crt`), "--tls-key", here(`${names[index]}.key`)],
      flags: ["--ca", relative(tmpdir(), authorityFile(folder, authority))],
    });
    const client = new WireClient(context, port);
    assert.match(await client.halfClose().readAll(), /^(onetwo|twoone)$/);
    assert.doesNotMatch(controller.stderr, /NAME_TAKEN/);
  },
);

test(
  "a segment whose section has another name takes no part, and the log says so",
  { timeout: 110_000 },
  async (context) => {
    const server = `tcp://127.0.0.1:${await serve(context, (socket) => socket.end("heard"))}`;
    const segments = ["ECHO", "other"].map((section) => ({ section, bind: "tcp://127.0.0.1:0", server }));
    const { port, controller } = await startFiles(context, temporaryFolder(context), segments);
    const said = await controller.until("the difference is said", () =>
      /the segment at \S+ has no .*both files/.exec(controller.stderr),
    );
    assert.match(
      said[0],
      /at 127\.0\.0\.1:\d+ has no section \[echo\], only \[other\]: it takes part where the names are the same/,
    );
    assert.equal(controller.stderr.split("has no section").length, 2);
    assert.equal(await new WireClient(context, port).halfClose().readAll(), "heard");
  },
);

test(
  "abstract sockets, both families and names in the files",
  { timeout: 110_000, skip: process.platform === "linux" ? false : "only Linux has abstract unix sockets" },
  async (context) => {
    const server = await serve(context, (socket) => socket.end("heard "));
    const segments = [
      { section: "Echo", bind: `unix:@polarity-test-${randomUUID()}`, server: `tcp://localhost:${server}` },
      { section: "Echo", bind: "tcp://[::1]:0", server: `tcp://127.0.0.1:${server}` },
    ];
    const folder = temporaryFolder(context);
    const { port } = await startFiles(context, folder, segments, { scheme: "tcp" });
    assert.equal(await new WireClient(context, port).halfClose().readAll(), "heard heard ");
  },
);

test("all that is wrong with a file is said at once, in order, with lines", { timeout: 110_000 }, async (context) => {
  const file = join(temporaryFolder(context), "wrong.ini");
  const lines = [
    "[Cloudbus]",
    "anything = goes here",
    "[Echo]",
    "bind = tcp://127.0.0.1:0",
    "server = tcp://127.0.0.1:x",
    "mode = quarter",
    "server =",
    "[Log",
    "server = unix:@",
  ];
  writeFileSync(file, lines.join("\n"));
  const { code, stderr } = await run(context, ["controller", "-c", file]);
  assert.equal(code, 1);
  const told = stderr
    .trim()
    .split("\n")
    .map((line) => /wrong\.ini:(\d+): .*?(?:: )?([^:]*)$/.exec(line)?.slice(1, 3));
  assert.deepEqual(
    told.map((found) => found?.[0]),
    ["5", "6", "7", "8", "9"],
    stderr,
  );
});

test("a controller and a segment exit in order when they are told to", { timeout: 110_000 }, async (context) => {
  const server = await serve(context, (socket) => socket.pipe(socket));
  const folder = temporaryFolder(context);
  const file = (name: string, bind: string, to: string): string => {
    writeFileSync(join(folder, name), `[Echo]\nbind=${bind}\nserver=${to}\n`);
    return join(folder, name);
  };
  const segment = new PolarityProcess(context, [
    "segment",
    "-c",
    file("segment.ini", "tcp://127.0.0.1:0", `tcp://127.0.0.1:${server}`),
  ]);
  const [link = ""] = (await segment.ready()).links;
  const controller = new PolarityProcess(context, [
    "controller",
    "-c",
    file("controller.ini", "tcp://127.0.0.1:0", link),
  ]);
  const { listeners } = await controller.ready();
  await until("the segment is linked", () => controller.stderr.includes("joined node"));
  const client = new WireClient(context, portOf(listeners[0] ?? ""));
  assert.equal(await client.send("hello").read(5), "hello");
  client.halfClose();
  assert.equal(await client.ended, "end");
  for (const process of [controller, segment]) {
    process.signal("SIGTERM");
    assert.equal((await process.exited).code, 0);
  }
});

test("the example files are imported as YAML that a node takes", { timeout: 110_000 }, async (context) => {
  const folder = temporaryFolder(context);
  for (const role of ["controller", "segment"]) {
    const { code, stdout } = await run(context, ["config", "import", join(EXAMPLES, `${role}.ini`)]);
    assert.equal(code, 0);
    assert.ok(parse(stdout));
    writeFileSync(join(folder, `${role}.yaml`), stdout);
    const checked = await run(context, ["validate", "-c", join(folder, `${role}.yaml`)]);
    assert.equal(checked.code, 0, checked.stderr);
  }
  writeFileSync(join(folder, "open.ini"), "[a]\nbind=tcp://0.0.0.0:1\nserver=tcp://127.0.0.1:2\n");
  const open = await run(context, ["segment", "-c", join(folder, "open.ini")]);
  assert.equal(open.code, 1);
  assert.match(open.stderr, /open\.ini:2: tcp:\/\/0\.0\.0\.0:1 is reachable beyond this machine .*--tokens-file/);
  writeFileSync(join(folder, "odd.ini"), `[${"b".repeat(300)}]\nbind=tcp://127.0.0.1:1\nserver=tcp://127.0.0.1:2\n`);
  const odd = await run(context, ["segment", "-c", join(folder, "odd.ini")]);
  assert.match(odd.stderr, /odd\.ini:3: a service's name has at most 253 bytes/);
});

test("names with blanks and sections that come twice serve, and records are imported as such", async (context) => {
  const server = await serve(context, (socket) => socket.on("data", (chunk: Buffer) => socket.end(chunk)));
  const folder = temporaryFolder(context);
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const segment = `[Cloudbus]\n[Simple  Service]\nbind=tcp://127.0.0.1:0\n[other]\nbind=tcp://127.0.0.1:0\nbackend=srv:_x._tcp.invalid\n`;
  const merged = `${segment}[simple service]\nbackend=tcp://127.0.0.1:${server}\n`;
  const running = new PolarityProcess(context, ["segment", "-c", file("segment.ini", merged)]);
  const [link = ""] = (await running.ready()).links;
  const text = `[Simple Service]\nbind=tcp://127.0.0.1:0\nbackend=tcp://127.0.0.1:${portOf(link)}\n[SIMPLE SERVICE]\nbackend=tcp://127.0.0.1:${portOf(link)}\n`;
  const controller = new PolarityProcess(context, ["controller", "-c", file("controller.ini", text)]);
  const { listeners } = await controller.ready();
  const client = new WireClient(context, portOf(listeners[0] ?? "")).send("hello");
  await client.readTo("hello");

  const records =
    "[a b]\nbind=tcp://127.0.0.1:1\nbackend=srv:_x._tcp.example\nbackend=naptr:example\nbackend=urn:example:x\n";
  const imported = await run(context, ["config", "import", file("controller-2.ini", records)]);
  assert.equal(imported.code, 0, imported.stderr);
  const { links } = parse(imported.stdout) as { links: { dial: { url: string }[] } };
  assert.deepEqual(
    links.dial.map(({ url }) => url),
    ["srv+tcp://_x._tcp.example", "naptr+tcp://example", "naptr+tcp://example.urn"],
  );
});
