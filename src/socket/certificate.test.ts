import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { TestAuthority } from "../../test/support/certificates.ts";
import { PolarityError } from "../base/errors.ts";
import { alternativeNames } from "./alternative-names.ts";
import { checkAuthority, type PemPair, readCertificate, validityProblem } from "./certificate.ts";
import { ServerNames } from "./server-names.ts";
import { tlsReason } from "./tls-settings.ts";

const authority = await TestAuthority.create();

function pairOf({ cert, key }: { cert: string; key: string }): PemPair {
  return { cert: { origin: "/tls/a.crt", text: cert }, key: { origin: "/tls/a.key", text: key } };
}

function refused(work: () => unknown, message: RegExp): void {
  assert.throws(work, (error) => {
    assert.ok(error instanceof PolarityError);
    assert.equal(error.code, "CONFIG_INVALID");
    assert.match(error.message, message);
    return true;
  });
}

test("a certificate says for whom it is; without alternative names for its common name", async () => {
  const named = readCertificate(pairOf(await authority.issue({ commonName: "x.test", dns: ["A.test", "*.b.test"] })));
  assert.deepEqual(named.names, ["a.test", "*.b.test"]);
  const plain = readCertificate(pairOf(await authority.issue({ commonName: "x.test" })));
  assert.deepEqual(plain.names, ["x.test"]);
});

test("what cannot be used is refused with its file and why", async () => {
  const good = await authority.issue({ dns: ["a.test"] });
  const other = await authority.issue({ dns: ["a.test"] });
  const begin = "-----BEGIN CERTIFICATE-----\n";
  const locked = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem", cipher: "aes-128-cbc", passphrase: "x" },
  }).privateKey;
  refused(() => readCertificate(pairOf({ ...good, cert: "" })), /^\/tls\/a\.crt: it holds no certificate in PEM form$/);
  refused(
    () => readCertificate(pairOf({ ...good, cert: `${begin}AAAA\n-----END CERTIFICATE-----` })),
    /a\.crt: its cert/,
  );
  refused(() => readCertificate(pairOf({ ...good, key: good.cert })), /^\/tls\/a\.key: it holds no private key in PEM/);
  refused(() => readCertificate(pairOf({ ...good, key: locked })), /^\/tls\/a\.key: its key has a passphrase/);
  refused(
    () => readCertificate(pairOf({ ...good, key: other.key })),
    /^\/tls\/a\.key: it is not the key of the certificate in \/tls\/a\.crt$/,
  );
  refused(() => checkAuthority({ origin: "ca.crt", text: good.key }), /^ca\.crt: it holds no certificate/);
  checkAuthority({ origin: "ca.crt", text: authority.cert + good.cert });
});

test("one that has expired is read, and says when it did", async () => {
  const old = readCertificate(pairOf(await authority.issue({ dns: ["a.test"], days: -1 })));
  assert.match(validityProblem(old, Date.now()) ?? "", /^the certificate in \/tls\/a\.crt expired on \d{4}-\d\d-\d\d$/);
  assert.equal(validityProblem(old, old.expiresAt - 1), undefined);
  assert.match(validityProblem(old, old.validFrom - 1) ?? "", /is valid from \d{4}-\d\d-\d\d only$/);
});

test("names are found exactly, then by a wildcard for one label, in any case", () => {
  const names = new ServerNames<string>();
  for (const name of ["a.test", "*.test", "*.b.test", "b.test"]) names.add(name, name);
  names.add("a.test", "too late");
  const found = ["a.test", "A.Test.", "x.test", "x.b.test", "x.y.b.test", "b.test", "test", ".test", ""];
  assert.deepEqual(
    found.map((name) => names.find(name)),
    ["a.test", "a.test", "*.test", "*.b.test", undefined, "b.test", undefined, undefined, undefined],
  );
});

test("an odd name in quotes is never several names", () => {
  const text = 'DNS:a.test, DNS:"evil\\", DNS:b.test", URI:spiffe://x/y, DNS:c.test, IP Address:127.0.0.1';
  assert.deepEqual(alternativeNames(text, "DNS"), ["a.test", "c.test"]);
  assert.deepEqual(alternativeNames(text, "URI"), ["spiffe://x/y"]);
  assert.deepEqual(alternativeNames(text, "IP Address"), ["127.0.0.1"]);
  assert.deepEqual(alternativeNames(undefined, "DNS"), []);
});

test("what TLS says of its failures is put into words", () => {
  const library = new Error(
    "4023:error:0A000458:SSL routines:ssl3_read_bytes:tlsv1 unrecognized name:a.c:918:SSL alert",
  );
  assert.equal(tlsReason(library), "tlsv1 unrecognized name");
  assert.equal(tlsReason(Object.assign(new Error("x"), { code: "CERT_HAS_EXPIRED" })), "the certificate has expired");
  assert.equal(tlsReason(new Error("read ECONNRESET")), "read ECONNRESET");
});
