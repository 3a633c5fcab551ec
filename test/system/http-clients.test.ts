/** Programs that people use, as clients of a listener: curl in its many ways, wrk, fetch, Node's agent, Python. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { gzipSync } from "node:zlib";
import { startHttpApp } from "../support/apps.ts";
import { startPair } from "../support/cluster.ts";
import { Command, runTool } from "../support/command.ts";
import { ask, keepAliveAgent } from "../support/http-client.ts";
import { until } from "../support/patience.ts";
import { temporaryFolder } from "../support/servers.ts";
import { requireTool, toolPath } from "../support/tools.ts";

const needsCurl = { skip: requireTool("curl") };
const TEXT = "the quick brown fox jumps over the lazy dog\n".repeat(500);

/** An app with an address for each thing that clients ask; `/upload` gives the hash of what it got. */
async function startSite(t: TestContext) {
  const versions: string[] = [];
  const app = await startHttpApp(t, (request, response) => {
    versions.push(request.httpVersion);
    const path = request.url ?? "";
    if (path === "/upload") {
      const hash = createHash("sha256");
      request.on("data", (chunk: Buffer) => hash.update(chunk));
      request.on("end", () => response.end(hash.digest("hex")));
    } else if (path === "/packed") {
      response.setHeader("Content-Encoding", "gzip").end(gzipSync(TEXT));
    } else if (path === "/range") {
      const [, first = "0", last = ""] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? [];
      const end = last === "" ? TEXT.length - 1 : Number(last);
      response.writeHead(206, { "Content-Range": `bytes ${first}-${end}/${TEXT.length}` });
      response.end(TEXT.slice(Number(first), end + 1));
    } else if (path === "/chunked") {
      response.write(TEXT.slice(0, 1_000));
      setImmediate(() => response.end(TEXT.slice(1_000)));
    } else {
      response.setHeader("Content-Length", TEXT.length).end(TEXT);
    }
  });
  const router = await startPair(t, app.url);
  const url = (path: string): string => `http://127.0.0.1:${router.port}${path}`;
  const connections = (): number => router.node.view().listeners[0]?.connectionsTotal ?? 0;
  return { app, router, url, versions, connections };
}

/** The output of curl, which must succeed; `-sS` is given. */
async function curl(t: TestContext, ...parameters: string[]): Promise<string> {
  const { code, stdout, stderr } = await runTool(t, "curl", ["-sS", "--max-time", "20", ...parameters]);
  assert.equal(code, 0, `curl ${parameters.join(" ")}: ${stderr}`);
  return stdout;
}

test("curl reads answers with a length and with chunks, as HTTP/1.1 and as HTTP/1.0", needsCurl, async (t) => {
  const { url, versions } = await startSite(t);
  for (const version of ["--http1.1", "--http1.0"])
    for (const path of ["/", "/chunked"]) assert.equal(await curl(t, version, url(path)), TEXT, `${version} ${path}`);
  assert.deepEqual(new Set(versions), new Set(["1.1"]), "the app is spoken to in one version");
  const kept = await curl(t, "--http1.0", "-H", "Connection: keep-alive", "-D", "-", "-o", "/dev/null", url("/"));
  assert.match(kept, /^HTTP\/1\.1 200 OK\r\n[^]*Connection: keep-alive\r\n/);
});

test("curl gets heads without bodies, ranges, and what was compressed", needsCurl, async (t) => {
  const { url } = await startSite(t);
  const head = await curl(t, "-I", url("/"));
  assert.match(head, new RegExp(`Content-Length: ${TEXT.length}\r\n`, "i"));
  assert.match(await curl(t, "-I", url("/chunked")), /^HTTP\/1\.1 200/);
  assert.equal(await curl(t, "-r", "4-8", url("/range")), "quick");
  assert.equal(await curl(t, "--compressed", url("/packed")), TEXT);
  assert.deepEqual(Buffer.from(await curl(t, url("/packed")), "latin1").subarray(0, 2), Buffer.from([0x1f, 0x8b]));
});

test("curl goes on with a download where it stopped", needsCurl, async (t) => {
  const { url } = await startSite(t);
  const file = join(temporaryFolder(t), "part");
  writeFileSync(file, TEXT.slice(0, 7_000));
  await curl(t, "-C", "-", "-o", file, url("/range"));
  assert.equal(readFileSync(file, "latin1"), TEXT);
});

test("curl uploads from a file and from a pipe, with and without waiting to be asked", needsCurl, async (t) => {
  const { url } = await startSite(t);
  const bytes = randomBytes(3_000_000);
  const file = join(temporaryFolder(t), "bytes");
  writeFileSync(file, bytes);
  const hash = createHash("sha256").update(bytes).digest("hex");
  // curl waits a second for a 100 that does not come; with this it would be 20, and the test would fail by time.
  const waits = ["-H", "Expect: 100-continue", "--expect100-timeout", "20"];
  for (const how of [waits, ["-H", "Expect:"]]) {
    assert.equal(await curl(t, "-T", file, ...how, url("/upload")), hash);
    const piped = await runTool(t, "curl", ["-sS", "-T", "-", ...how, url("/upload")], bytes);
    assert.deepEqual([piped.code, piped.stdout], [0, hash], piped.stderr);
  }
  assert.equal(await curl(t, "--http1.0", "-T", file, url("/upload")), hash);
  assert.equal(
    await curl(t, "-F", `file=@${file}`, "-F", "word=blue", "-o", "/dev/null", "-w", "%{http_code}", url("/upload")),
    "200",
  );
});

test("curl uses one connection for one request after another, of different kinds", needsCurl, async (t) => {
  const { url, connections } = await startSite(t);
  const quiet = ["-s", "-o", "/dev/null", "-w", "%{http_code} %{num_connects}\n"];
  const upload = ["-d", "a=1", url("/upload")];
  const questions = [[url("/")], upload, ["-I", url("/")], [url("/chunked")], [url("/range")]];
  const output = await curl(t, ...questions.flatMap((question) => ["--next", ...quiet, ...question]).slice(1));
  assert.equal(output, "200 1\n200 0\n200 0\n200 0\n206 0\n");
  assert.equal(connections(), 1);
  const parallel = await curl(
    t,
    "-Z",
    ...Array.from({ length: 20 }, () => ["-o", "/dev/null", url("/")]).flat(),
    "-w",
    "%{http_code},",
  );
  assert.equal(parallel, "200,".repeat(20));
});

test(
  "curl -N shows each part of a stream before the next one is sent, and is missed when it is stopped",
  needsCurl,
  async (t) => {
    const gone = Promise.withResolvers<void>();
    const app = await startHttpApp(t, (_request, response) => {
      response.on("close", gone.resolve);
      app.server.on("say", (text: string) => response.write(text));
      response.writeHead(200).flushHeaders();
      app.server.emit("asked");
    });
    const router = await startPair(t, app.url, { limits: { halfCloseTimeout: "100ms" } });
    const asked = new Promise((resolve) => app.server.once("asked", resolve));
    const stream = new Command(t, toolPath("curl")!, ["-sSN", `http://127.0.0.1:${router.port}/`]);
    await asked;
    for (let index = 0; index < 20; index++) {
      app.server.emit("say", `part ${index};`);
      await stream.says(`part ${index};`);
    }
    stream.child.kill("SIGKILL");
    await until("the app hears of it", () => gone.promise.then(() => true));
  },
);

test("curl that reads slowly gets all of it", needsCurl, async (t) => {
  const body = randomBytes(4_000_000);
  const app = await startHttpApp(t, (_request, response) => response.end(body));
  const router = await startPair(t, app.url, { limits: { idleTimeout: "100ms" } });
  const slow = await curl(t, "--limit-rate", "3M", `http://127.0.0.1:${router.port}/`);
  assert.ok(Buffer.from(slow, "latin1").equals(body));
});

test("wrk finds no error in a second of requests", { skip: requireTool("wrk") }, async (t) => {
  const { url } = await startSite(t);
  const { code, stdout } = await runTool(t, "wrk", ["-t1", "-c20", "-d1s", url("/")]);
  assert.equal(code, 0, stdout);
  assert.ok(Number(/(\d+) requests in/.exec(stdout)?.[1]) > 50, stdout);
  assert.doesNotMatch(stdout, /Socket errors|Non-2xx/);
});

test("Node's agent shares a few connections among many requests, uploads among them", async (t) => {
  const { router, connections } = await startSite(t);
  const agent = keepAliveAgent(t, 4);
  const body = randomBytes(100_000);
  const hash = createHash("sha256").update(body).digest("hex");
  const answers = await Promise.all(
    Array.from({ length: 200 }, (_, index) =>
      index % 4 === 0
        ? ask(router.port, { agent, method: "POST", path: "/upload", body })
        : ask(router.port, { agent, path: index % 2 === 0 ? "/" : "/chunked" }),
    ),
  );
  for (const [index, { text }] of answers.entries()) assert.equal(text, index % 4 === 0 ? hash : TEXT);
  assert.equal(connections(), 4);
});

test("fetch uploads a stream, reads a stream and unpacks an answer", async (t) => {
  const { url } = await startSite(t);
  const parts = Array.from({ length: 50 }, () => randomBytes(20_000));
  const hash = createHash("sha256").update(Buffer.concat(parts)).digest("hex");
  const upload = await fetch(url("/upload"), { method: "PUT", body: ReadableStream.from(parts), duplex: "half" });
  assert.equal(await upload.text(), hash);
  assert.equal(await (await fetch(url("/packed"))).text(), TEXT);
  let length = 0;
  for await (const chunk of (await fetch(url("/chunked"))).body!) length += chunk.length;
  assert.equal(length, TEXT.length);
  const stop = new AbortController();
  const stopped = fetch(url("/"), { signal: stop.signal });
  stop.abort();
  await assert.rejects(stopped, { name: "AbortError" });
});

const PYTHON = `
import hashlib, http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=20)
def ask(method, path, **rest):
    connection.request(method, path, **rest)
    response = connection.getresponse()
    return response.status, response.read()
print(ask("GET", "/")[0], len(ask("GET", "/chunked")[1]), ask("HEAD", "/"))
parts = [b"one", b"two" * 10000, b"three"]
digest = hashlib.sha256(b"".join(parts)).hexdigest()
print(ask("PUT", "/upload", body=iter(parts), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})[1].decode() == digest)
print(ask("PUT", "/upload", body=b"".join(parts))[1].decode() == digest)
`;

test(
  "Python's http.client keeps its connection through lengths, chunks and uploads",
  { skip: requireTool("python3") },
  async (t) => {
    const { router, connections } = await startSite(t);
    const { code, stdout, stderr } = await runTool(t, "python3", ["-c", PYTHON, String(router.port)]);
    assert.equal(code, 0, stderr);
    assert.equal(stdout, `200 ${TEXT.length} (200, b'')\nTrue\nTrue\n`);
    assert.equal(connections(), 1);
  },
);
