import assert from "node:assert/strict";
import { test } from "node:test";
import { TestAuthority } from "../../test/support/certificates.ts";
import { LoadedText } from "./loaded-text.ts";
import type { NodeConfig } from "./node-config.ts";
import { createConfigSchema } from "./schema.ts";

const authority = await TestAuthority.create();
const one = await authority.issue({ dns: ["one.test"] });
const two = await authority.issue({ dns: ["two.test"] });
const FILES: Readonly<Record<string, string>> = {
  "ca.crt": authority.cert,
  "1.crt": one.cert,
  "1.key": one.key,
  "2.crt": two.cert,
  "2.key": two.key,
};
const schema = createConfigSchema((path) => new LoadedText(path, FILES[path] ?? ""));

function listener(rest: object): NodeConfig["listeners"][number] {
  return schema.parse({ listeners: [{ url: "https://:443", ...rest }] }).listeners[0]!;
}

function problems(rest: object): string[] {
  const result = schema.safeParse({ listeners: [{ url: "https://:443", ...rest }] });
  return (result.error?.issues ?? []).map(({ path, message }) => `${path.slice(2).join(".")}: ${message}`);
}

test("one certificate, several, or one before several", () => {
  const cert = { cert: "1.crt", key: "1.key" };
  const origins = (tls: object) => listener({ tls }).tls?.certificates.map((pair) => pair.cert.origin);
  assert.deepEqual(origins(cert), ["1.crt"]);
  assert.deepEqual(origins({ certificates: [{ cert: "2.crt", key: "2.key" }, cert] }), ["2.crt", "1.crt"]);
  assert.deepEqual(origins({ ...cert, certificates: [{ cert: "2.crt", key: "2.key" }] }), ["1.crt", "2.crt"]);
  const { tls } = listener({ tls: { ...cert, clientCa: "ca.crt" } });
  assert.deepEqual(
    [tls?.clientCertificate, tls?.minVersion, tls?.refuseUnknownNames, tls?.handshakeTimeoutMs],
    ["required", "TLSv1.2", false, 10_000],
  );
});

test("what does not go together is refused where it stands", () => {
  const cert = { cert: "1.crt", key: "1.key" };
  const cases: readonly [object, RegExp][] = [
    [{}, /^url: https:\/\/:443 needs tls: \{ cert, key \}; to pass TLS through undecrypted, write tls:\/\/$/],
    [{ tls: {} }, /^tls: set cert and key, or certificates$/],
    [{ tls: { cert: "1.crt" } }, /^tls: a certificate needs both cert and key; key is missing$/],
    [{ tls: { cert: "1.crt", key: "2.key" } }, /^tls: 2\.key: it is not the key of the certificate in 1\.crt$/],
    [
      { tls: { ...cert, certificates: [cert, { cert: "no.crt", key: "2.key" }] } },
      /^tls\.certificates\.1: no\.crt: it holds no certificate in PEM form$/,
    ],
    [{ tls: { ...cert, clientCa: "1.key" } }, /^tls\.clientCa: 1\.key: it holds no certificate in PEM form$/],
    [{ tls: { ...cert, minVersion: "TLSv1.1" } }, /^tls\.minVersion: expected TLSv1\.2 or TLSv1\.3$/],
    [{ url: "http://:80", tls: cert }, /^tls: tls needs an https:\/\/ listener, not http:\/\/:80$/],
    [{ url: "http://:80", hsts: "1d" }, /^hsts: hsts needs an https:\/\/ listener/],
    [{ tls: cert, hsts: "soon" }, /^hsts\.maxAge: expected a duration/],
  ];
  for (const [rest, message] of cases) {
    const found = problems(rest);
    assert.equal(found.length, 1, found.join("; "));
    assert.match(found[0] ?? "", message);
  }
});

test("a tls listener leads by host to services, and looks at nothing else", () => {
  const route = { host: "*.a.test", service: "a" };
  assert.equal(listener({ url: "tls://:443", routes: [route], service: "rest" }).service, "rest");
  assert.equal(listener({ url: "tls://:443", routes: [{ service: "any" }] }).routes.length, 1);
  const cases: readonly [object, RegExp][] = [
    [{ url: "tls://:443" }, /^url: tls:\/\/:443 needs a service to lead to$/],
    [
      { routes: [{ ...route, path: "/x" }] },
      /^routes\.0: a tls:\/\/ listener routes by host only: it reads no request$/,
    ],
    [{ routes: [route, { host: "b.test", redirect: "https://c.test" }] }, /^routes\.1: a tls:\/\/ listener routes by/],
    [{ routes: [route], tls: { cert: "1.crt", key: "1.key" } }, /^tls: tls needs an https:\/\/ listener, not tls/],
  ];
  for (const [rest, message] of cases) assert.match(problems({ url: "tls://:443", ...rest }).join("; "), message);
});

test("hsts is a duration, or says more", () => {
  const tls = { cert: "1.crt", key: "1.key" };
  assert.equal(listener({ tls, hsts: "365d" }).hsts, "max-age=31536000");
  const hsts = { maxAge: "1h", includeSubDomains: true, preload: true };
  assert.equal(listener({ tls, hsts }).hsts, "max-age=3600; includeSubDomains; preload");
  assert.equal(listener({ tls }).hsts, undefined);
});
