import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { AdminClient } from "../../src/admin/client.ts";
import type { LogFields, Logger } from "../../src/base/clock.ts";
import { startHttpApp } from "../support/apps.ts";
import { TestAuthority } from "../support/certificates.ts";
import { startNode } from "../support/cluster.ts";
import { askSecurely, secureAgent } from "../support/https-client.ts";
import { until } from "../support/patience.ts";
import { PolarityProcess, run } from "../support/polarity-process.ts";
import { freePort, temporaryFolder } from "../support/servers.ts";
import { type CertificateFiles, certificateFiles, replaceFiles } from "../support/tls-files.ts";

const authority = await TestAuthority.create();
const ca = authority.cert;
const servername = "a.test";

interface Line {
  readonly level: string;
  readonly message: string;
}

function logging(): { logger: Logger; lines: Line[] } {
  const lines: Line[] = [];
  const at = (level: string) => (_fields: LogFields, message: string) => void lines.push({ level, message });
  return { lines, logger: { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") } };
}

async function startSecure(context: TestContext, files: CertificateFiles) {
  const app = await startHttpApp(context, (_request, response) => response.end("ok"));
  const { logger, lines } = logging();
  const raw = {
    services: { web: { target: app.url } },
    listeners: [{ url: "https://127.0.0.1:0", service: "web", tls: files }],
  };
  const node = await startNode(context, raw, logger);
  const port = Number(node.addresses.listeners[0]?.split(":").at(-1));
  const serial = async () => (await askSecurely(port, { ca, servername })).serial;
  return { node, port, lines, serial };
}

// Files are looked at once a second, so that the tests mostly wait.
describe("certificates of a listener", { concurrency: true }, () => {
  test("new files are read while requests go on: none fails, and old connections stay", async (context) => {
    const files = await certificateFiles(temporaryFolder(context), authority, servername);
    const { port, serial, lines } = await startSecure(context, files);
    const before = await serial();
    const kept = secureAgent(context, { ca, servername });
    const stop = new AbortController();
    let asked = 0;
    const load = async (agent?: typeof kept): Promise<void> => {
      while (!stop.signal.aborted) {
        const answer = await askSecurely(port, { ca, servername, ...(agent === undefined ? {} : { agent }) });
        assert.equal(answer.text, "ok");
        asked++;
      }
    };
    const loads = [load(), load(), load(kept)];
    const serials = new Set([before]);
    for (let round = 0; round < 2; round++) {
      replaceFiles(files, await authority.issue({ dns: [servername] }));
      await until("the new certificate is shown", async () => {
        const shown = await serial();
        const fresh = !serials.has(shown);
        serials.add(shown);
        return fresh;
      });
    }
    assert.equal(
      (await askSecurely(port, { ca, servername, agent: kept })).serial,
      before,
      "an old connection goes on",
    );
    stop.abort();
    await Promise.all(loads);
    assert.ok(asked > 10);
    assert.equal(lines.filter(({ message }) => message.includes("again, valid to")).length, 2);
  });

  test("a pair that cannot be used keeps the old one, and says which file is wrong", async (context) => {
    const files = await certificateFiles(temporaryFolder(context), authority, servername);
    const { serial, lines } = await startSecure(context, files);
    const before = await serial();
    const errors = () => lines.filter(({ level }) => level === "error").map(({ message }) => message);
    const wrongs = [
      [() => writeFileSync(files.cert, "half a certif"), /a\.test\.crt: it holds no certificate in PEM form/],
      [
        async () => writeFileSync(files.cert, (await authority.issue({ dns: [servername] })).cert),
        /a\.test\.key: it is not the key/,
      ],
    ] as const;
    for (const [index, [spoil, message]] of wrongs.entries()) {
      await spoil();
      await until("the error is logged", () => errors().length === index + 1);
      assert.match(errors().at(-1) ?? "", message);
      assert.match(errors().at(-1) ?? "", /the certificate before stays/);
      assert.equal(await serial(), before);
    }
    replaceFiles(files, await authority.issue({ dns: [servername] }));
    await until("the good pair is used", async () => (await serial()) !== before);
  });

  test("metrics and status tell the days that are left; a warning tells when there are none", async (context) => {
    const folder = temporaryFolder(context);
    const files = await certificateFiles(folder, authority, servername, { days: 0.5 });
    const old = await certificateFiles(folder, authority, "old.test", { days: -1 });
    const [port, admin] = [await freePort(), await freePort()];
    const config = join(folder, "polarity.yaml");
    const text = (extra: string): string =>
      `admin: { url: "http://127.0.0.1:${admin}" }\n` +
      // Nothing is offered, and answers are not waited for: the certificate comes before them.
      `listeners: [{ url: "https://127.0.0.1:${port}", waitForOffer: 0s, tls: { certificates: [{ cert: a.test.crt, key: a.test.key }${extra}] } }]\n`;
    writeFileSync(config, text(", { cert: old.test.crt, key: old.test.key }"));
    const node = new PolarityProcess(context, ["run", "-c", config]);
    const checked = await run(context, ["validate", "-c", config]);
    assert.equal(checked.code, 0);
    assert.match(checked.stderr, new RegExp(`warning: the certificate in ${old.cert} expired on \\d{4}-`));

    await node.ready();
    assert.match(node.stderr, /old\.test\.crt expired on/);
    const metrics = await (await fetch(`http://127.0.0.1:${admin}/metrics`)).text();
    const sample = (file: string, value: string) =>
      new RegExp(`^polarity_certificate_expires_days\\{.*file="${file}".*\\} ${value}$`, "m");
    assert.match(metrics, sample(files.cert, "0"));
    assert.match(metrics, sample(old.cert, "-[12]"));
    assert.match(metrics, /^polarity_listener_handshakes_failed_total\{.*\} 0$/m);
    const client = new AdminClient({ url: `http://127.0.0.1:${admin}`, token: undefined, timeoutMs: 5_000 });
    const status = await run(context, ["status", "--node", `http://127.0.0.1:${admin}`]);
    assert.match(status.stdout, /CERTIFICATE +NAMES +EXPIRES +DAYS +LISTENER/);
    assert.match(status.stdout, /a\.test\.crt +a\.test +\d{4}-\d\d-\d\d +0 +https/);
    assert.deepEqual(
      (await client.listeners()).flatMap(({ certificates }) => certificates.map(({ file }) => file)),
      [files.cert, old.cert],
    );

    // A reload takes other certificates, and refuses wrong ones with their place.
    const shown = async () => (await askSecurely(port, { ca, servername: "old.test", rejectUnauthorized: false })).name;
    assert.equal(await shown(), "old.test");
    writeFileSync(config, text(", { cert: old.test.crt, key: a.test.key }"));
    await assert.rejects(client.reload(), {
      message: /listeners\[0\]\.tls\.certificates\[1\]: .*a\.test\.key: it is not the key of the certificate/,
    });
    assert.equal(await shown(), "old.test");
    writeFileSync(config, text(""));
    node.signal("SIGHUP");
    await until("the certificate is gone", async () => (await shown()) === "a.test");
  });
});
