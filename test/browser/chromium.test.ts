/** What pages do, done by a real browser, through a router, a link and a connector. One browser serves all of it. */
import assert from "node:assert/strict";
import { createHash, X509Certificate } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { startBrowser } from "../support/browser.ts";
import { TestAuthority } from "../support/certificates.ts";
import { startPair } from "../support/cluster.ts";
import { startPageApp } from "../support/page-app.ts";
import { until } from "../support/patience.ts";
import { PolarityProcess } from "../support/polarity-process.ts";
import { temporaryFolder } from "../support/servers.ts";
import { certificateFiles } from "../support/tls-files.ts";
import { requireTool } from "../support/tools.ts";

test("Chromium", { skip: requireTool("chromium") }, async (t) => {
  const authority = await TestAuthority.create();
  const certificate = await certificateFiles(temporaryFolder(t), authority, "edge", { ips: ["127.0.0.1"] });
  // The authority is nobody's: this one key is trusted, and no other.
  const browser = await startBrowser(t, [`--ignore-certificate-errors-spki-list=${keyHash(certificate.cert)}`]);
  const app = await startPageApp(t);
  const router = await startPair(t, app.url, { limits: { halfCloseTimeout: "100ms" } });
  const origin = `http://127.0.0.1:${router.port}`;

  await t.test("loads a page, and fetches with and without bodies", async () => {
    const page = await browser.open(`${origin}/`);
    assert.equal(await page.run("return document.title"), "a page");
    const posted = await page.run(`
      const bytes = new Uint8Array(1_000_000).map((_, index) => index % 251);
      const back = await (await fetch("/echo", { method: "POST", body: bytes })).bytes();
      return back.length === bytes.length && back.every((byte, index) => byte === bytes[index]);`);
    assert.equal(posted, true);
    assert.equal(await page.run(`return (await fetch("/nothing")).status`), 404);
    assert.equal(page.protocolOf(`${origin}/`), "http/1.1");
    await page.close();
  });

  await t.test("reads a streaming fetch part by part, and the app hears at once when it stops", async () => {
    const page = await browser.open(`${origin}/`);
    const parts = await page.run(`
      const stop = new AbortController();
      const response = await fetch("/stream", { signal: stop.signal });
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      const parts = [];
      for (const word of ["one", "two", "three"]) {
        await fetch("/say/" + word);
        parts.push((await reader.read()).value);
      }
      stop.abort();
      return parts;`);
    assert.deepEqual(parts, ["one", "two", "three"]);
    await until("the app hears of it", () => app.ends.includes("stream closed"));
    await page.close();
  });

  await t.test("hears events one by one, and goes on behind the last one after a break", async () => {
    const page = await browser.open(`${origin}/`);
    const heard = await page.run(`
      const source = new EventSource("/events");
      const events = [];
      let heard = () => {};
      source.onmessage = ({ data }) => { events.push(data); heard(); };
      const count = async (wanted) => { while (events.length < wanted) await new Promise((resolve) => { heard = resolve; }); };
      await count(1);
      await fetch("/say/" + encodeURIComponent("id: 41\\ndata: first\\n\\n"));
      await count(2);
      await fetch("/say/" + encodeURIComponent("id: 42\\ndata: second\\n\\n"));
      await count(3);
      await fetch("/hangup");
      await count(4);
      source.close();
      return events;`);
    assert.deepEqual(heard, ["after undefined", "first", "second", "after 42"]);
    await until("both streams have ended", () => app.ends.filter((end) => end === "events closed").length === 2);
    await page.close();
  });

  await t.test("talks over websockets: text, bytes, close codes, and 1001 when the page goes", async () => {
    const page = await browser.open(`${origin}/`);
    const talk = await page.run(`
      const socket = new WebSocket(location.origin.replace("http", "ws") + "/socket");
      socket.binaryType = "arraybuffer";
      const next = (event) => new Promise((resolve) => socket.addEventListener(event, resolve, { once: true }));
      await next("open");
      socket.send("grüße");
      const text = (await next("message")).data;
      socket.send(new Uint8Array(1_000_000).fill(7));
      const { byteLength } = (await next("message")).data;
      socket.send("leave");
      const { code, reason, wasClean } = await next("close");
      window.kept = new WebSocket(socket.url);
      await new Promise((resolve) => { window.kept.onopen = resolve; });
      return { text, byteLength, code, reason, wasClean, extensions: socket.extensions };`);
    assert.deepEqual(talk, {
      text: "grüße",
      byteLength: 1_000_000,
      code: 4001,
      reason: "as you wish",
      wasClean: true,
      extensions: "",
    });
    await page.close();
    await until("the app hears that the page is gone", () => app.ends.includes("socket closed 1001"));
  });

  await t.test("sends a form with a file", async (u) => {
    const file = join(temporaryFolder(u), "picture.bin");
    writeFileSync(file, Buffer.alloc(3_000_000, 1));
    const page = await browser.open(`${origin}/`);
    await page.choose("input[type=file]", file);
    await page.navigated(() => page.run(`document.querySelector("button").click()`));
    assert.equal(await page.run("return document.body.innerText"), "word=blue; file: picture.bin, 3000000 bytes");
    await page.close();
  });

  await t.test("keeps cookies as the app set them", async () => {
    const page = await browser.open(`${origin}/cookies`);
    assert.equal(await page.run("return document.body.innerText"), "none");
    assert.equal(await page.run(`return (await fetch("/cookies")).text()`), "a=1; b=2");
    assert.equal(await page.run("return document.cookie"), "a=1");
    await page.close();
  });

  await t.test("follows redirects, by each status as it should", async () => {
    const page = await browser.open(`${origin}/`);
    const follow = `
      const answers = [];
      for (const status of [301, 302, 303, 307, 308]) {
        const response = await fetch("/redirect/" + status, { method: "POST", body: "kept" });
        answers.push([status, new URL(response.url).pathname, await response.text()]);
      }
      return answers;`;
    assert.deepEqual(await page.run(follow), [
      [301, "/echo", ""],
      [302, "/echo", ""],
      [303, "/echo", ""],
      [307, "/echo", "kept"],
      [308, "/echo", "kept"],
    ]);
    await page.close();
  });

  await t.test(
    "asks again with the tag and takes 304 for an answer, and does not ask for what it may keep",
    async () => {
      const page = await browser.open(`${origin}/`);
      const before = app.asked.length;
      const bodies = await page.run(`
      const bodies = [];
      for (const path of ["/tagged", "/tagged", "/tagged", "/kept", "/kept"]) bodies.push(await (await fetch(path)).text());
      return bodies;`);
      assert.deepEqual(bodies, ["tagged", "tagged", "tagged", "kept", "kept"]);
      assert.deepEqual(app.asked.slice(before), ["GET /tagged", "GET /tagged", "GET /tagged", "GET /kept"]);
      await page.close();
    },
  );

  await t.test("loads a hundred images at once over the few connections that it allows itself", async () => {
    const page = await browser.open(`${origin}/`);
    const { connectionsTotal: before = 0 } = router.node.view().listeners[0] ?? {};
    const widths = await page.run<number[]>(`
      return Promise.all(Array.from({ length: 100 }, async (_, index) => {
        const image = new Image();
        image.src = "/image/" + index;
        await image.decode();
        return image.naturalWidth;
      }));`);
    assert.deepEqual(
      widths,
      Array.from({ length: 100 }, () => 1),
    );
    const { connectionsTotal = 0 } = router.node.view().listeners[0] ?? {};
    assert.ok(connectionsTotal - before <= 6, `${connectionsTotal - before} connections`);
    await page.close();
  });

  await t.test("does the same over https: pages, uploads, streams, events, many images and websockets", async (u) => {
    const tls = { certificates: [certificate] };
    const secure = await startPair(u, app.url, { url: "https://127.0.0.1:0", tls });
    const page = await browser.open(`https://127.0.0.1:${secure.port}/`);
    assert.equal(await page.run("return isSecureContext && document.title"), "a page");
    const seen = await page.run(`
      const socket = new WebSocket(location.origin.replace("http", "ws") + "/socket");
      const next = (target, event) => new Promise((resolve) => target.addEventListener(event, resolve, { once: true }));
      await next(socket, "open");
      socket.send("secret");
      const text = (await next(socket, "message")).data;
      socket.send("leave");
      const { code } = await next(socket, "close");
      const bytes = new Uint8Array(1_000_000).fill(3);
      const back = await (await fetch("/echo", { method: "POST", body: bytes })).bytes();
      const source = new EventSource("/events");
      const first = (await next(source, "message")).data;
      const second = next(source, "message");
      await fetch("/say/" + encodeURIComponent("data: said\\n\\n"));
      const said = (await second).data;
      source.close();
      const images = await Promise.all(Array.from({ length: 100 }, async (_, index) => {
        const image = new Image();
        image.src = "/image/" + index;
        await image.decode();
        return image.naturalWidth;
      }));
      return { text, code, back: back.length, first, said, images: images.filter((width) => width === 1).length };`);
    const expected = {
      text: "secret",
      code: 4001,
      back: 1_000_000,
      first: "after undefined",
      said: "said",
      images: 100,
    };
    assert.deepEqual(seen, expected);
    u.diagnostic(`spoken over TLS: ${page.protocolOf(`https://127.0.0.1:${secure.port}/`)}`);
    await page.close();
  });

  await t.test("shows what went wrong as a page, where the app cannot be reached", async (u) => {
    const nowhere = await startPair(u, "http://127.0.0.1:9", {}, { connectTimeout: "1s" });
    const page = await browser.open(`http://127.0.0.1:${nowhere.port}/`);
    assert.match(await page.run("return document.body.innerText"), /TARGET_|502/);
    assert.equal(await page.run("return document.contentType"), "text/html");
    await page.close();
  });

  await t.test("the demo's page works in every part", async (u) => {
    const demo = new PolarityProcess(u, ["demo"]);
    const clients = await demo.until("up", () => /clients (http:\/\/\S+)[^]*Ctrl-C/.exec(demo.stdout)?.[1]);
    const page = await browser.open(clients);
    const log = await page.run(`
      const log = document.getElementById("log");
      const shows = async (text) => { while (!log.textContent.includes(text)) await new Promise((resolve) => { setTimeout(resolve, 5); }); };
      await shows("connected");
      document.getElementById("send").click();
      await shows("app: hello");
      return log.textContent;`);
    assert.equal(log, "connected\napp: hello\n");
    const submitted = async (action: string): Promise<string> => {
      await page.navigated(() => page.run(`document.querySelector("form[action='${action}'] button").click()`));
      const text = await page.run<string>("return document.body?.innerText ?? document.documentElement.textContent");
      await page.visit(clients);
      return text;
    };
    assert.match(await submitted("/query"), /two words & more/);
    const file = join(temporaryFolder(u), "five.txt");
    writeFileSync(file, "x".repeat(5_000));
    await page.choose("input[type=file]", file);
    assert.match(await submitted("/upload"), /"five\.txt"[^]*"bytes": 5000/);
    await page.close();
    demo.signal("SIGINT");
    assert.deepEqual(await demo.exited, { code: 0, signal: null });
  });
});

/** How Chromium names a key: the hash of what a certificate says of it. */
function keyHash(certificateFile: string): string {
  const { publicKey } = new X509Certificate(readFileSync(certificateFile));
  return createHash("sha256")
    .update(publicKey.export({ type: "spki", format: "der" }))
    .digest("base64");
}
