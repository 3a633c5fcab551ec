import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type AccessEntry, combinedLine, jsonLine, redacted } from "./access-line.ts";

const ENTRY: AccessEntry = {
  time: Date.UTC(2026, 10, 21, 7, 5, 9, 42),
  client: "203.0.113.9",
  peer: "10.0.0.1:5501",
  listener: "http://0.0.0.0:8001",
  protocol: "HTTP/1.1",
  method: "GET",
  host: "app.example.com",
  path: "/cart?id=7",
  referer: "https://app.example.com/?token=s3cret",
  userAgent: 'curl/8 "x"',
  status: 200,
  bytesIn: 0,
  bytesOut: 2326,
  service: "web",
  node: "shed",
  attempts: 1,
  requestId: "k3v9-1",
  error: "",
  headMs: 0,
  offerMs: 0.0214,
  firstByteMs: 3.25,
  responseMs: 0.1,
  totalMs: 3.3714,
};
const KEYS =
  "time client peer listener protocol method host path status bytesIn bytesOut referer userAgent service node attempts requestId error headMs offerMs firstByteMs responseMs totalMs".split(
    " ",
  );
/** As strict as an analyzer may be: one line, seven parts, nothing in them that could end them. */
const COMBINED =
  /^([0-9A-Fa-f:.]+|-) - - \[(\d{2}\/[A-Z][a-z]{2}\/\d{4}:\d{2}:\d{2}:\d{2} \+0000)\] "((?:[ !#-[\]-~]|\\x[0-9A-F]{2})*)" (\d{3}|-) (\d+) "((?:[ !#-[\]-~]|\\x[0-9A-F]{2})*)" "((?:[ !#-[\]-~]|\\x[0-9A-F]{2})*)"\n$/;

test("a JSON line has every field, by name", () => {
  const line = jsonLine(ENTRY, "keep");
  assert.ok(line.endsWith("}\n"));
  const fields = JSON.parse(line) as Record<string, unknown>;
  assert.deepEqual(Object.keys(fields), KEYS);
  assert.deepEqual(fields, {
    ...ENTRY,
    time: "2026-11-21T07:05:09.042Z",
    error: null,
    offerMs: 0.021,
    totalMs: 3.371,
  });
});

test("a combined line is what web servers write", () => {
  assert.equal(
    combinedLine(ENTRY, "redact"),
    '203.0.113.9 - - [21/Nov/2026:07:05:09 +0000] "GET /cart?id=* HTTP/1.1" 200 2326 ' +
      '"https://app.example.com/?token=*" "curl/8 \\x22x\\x22"\n',
  );
});

test("what there is not is null, or a dash", () => {
  const nothing = {
    ...ENTRY,
    client: "",
    method: "",
    host: "",
    path: "",
    referer: "",
    userAgent: "",
    status: 0,
    headMs: -1,
  };
  const fields = JSON.parse(jsonLine(nothing, "redact")) as Record<string, unknown>;
  for (const key of ["client", "method", "host", "path", "referer", "userAgent", "status", "headMs"]) {
    assert.equal(fields[key], null, key);
  }
  assert.equal(combinedLine(nothing, "redact"), '- - - [21/Nov/2026:07:05:09 +0000] "-" - 2326 "-" "-"\n');
});

test("a field without end is cut", () => {
  const long = {
    ...ENTRY,
    path: `/${"\u0000".repeat(100_000)}`,
    userAgent: "\\".repeat(100_000),
    referer: "\u00ff".repeat(9999),
  };
  for (const line of [jsonLine(long, "keep"), combinedLine(long, "keep")])
    assert.ok(line.length < 60_000, `${line.length}`);
});

// Whatever clients send, a line is one line of printable ASCII that its reader takes apart into the same fields.
const anything = fc.oneof(
  fc.string({ unit: "binary", maxLength: 60 }),
  fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 60 }).map((codes) => String.fromCharCode(...codes)),
  fc.constantFrom(
    '"',
    "\\",
    '\\"',
    "\n",
    "\r\n",
    '","status":200,"x":"',
    '" 200 5 "-" "-"\n1.2.3.4 - - [',
    "\u001b[2J",
    "\u2028",
    "\\x22",
  ),
);

test("any field parses back as it was, and adds none", () => {
  const property = fc.property(
    anything,
    anything,
    anything,
    anything,
    anything,
    (host, path, referer, userAgent, service) => {
      const entry = { ...ENTRY, host, path, referer, userAgent, service };
      const line = jsonLine(entry, "keep");
      assert.match(line, /^[ -~]*\n$/);
      const fields = JSON.parse(line) as Record<string, unknown>;
      assert.deepEqual(Object.keys(fields), KEYS);
      for (const [key, value] of Object.entries({ host, path, referer, userAgent, service })) {
        assert.equal(fields[key] ?? "", value);
      }
      assert.deepEqual(Object.keys(JSON.parse(jsonLine(entry, "redact")) as object), KEYS);
    },
  );
  fc.assert(property, { numRuns: 2000 });
});

test("any combined line has its seven parts, and they are the client's words", () => {
  const words = fc
    .array(fc.integer({ min: 0, max: 255 }), { maxLength: 60 })
    .map((codes) => String.fromCharCode(...codes));
  const property = fc.property(fc.oneof(words, anything), words, words, (path, referer, userAgent) => {
    const match = COMBINED.exec(combinedLine({ ...ENTRY, path, referer, userAgent }, "keep"));
    assert.notEqual(match, null);
    assert.equal(unescaped(match?.[6] ?? ""), referer === "" ? "-" : referer);
    assert.equal(unescaped(match?.[7] ?? ""), userAgent === "" ? "-" : userAgent);
    assert.match(combinedLine({ ...ENTRY, path, referer, userAgent }, "redact"), COMBINED);
  });
  fc.assert(property, { numRuns: 2000 });
});

const urls: readonly (readonly [url: string, shown: string])[] = [
  ["/x", "/x"],
  ["/x?token=s3cret&page=2", "/x?token=*&page=*"],
  ["/x?s3cret", "/x?*"],
  ["/x?a=1;b=2&&c", "/x?a=*&b=*&&*"],
  ["/x?a=b=c?d=e", "/x?a=*"],
  ["/x?", "/x?"],
  ["https://user:pass@app.example/a?b=c", "https://*@app.example/a?b=*"],
  ["//user@app.example/@a", "//*@app.example/@a"],
  ["/mail/a@b", "/mail/a@b"],
];

for (const [url, shown] of urls) test(`${url} is written as ${shown}`, () => assert.equal(redacted(url), shown));

function unescaped(text: string): string {
  return text.replace(/\\x([0-9A-F]{2})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
}
