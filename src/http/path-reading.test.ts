import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isPlainPath, pathReadings } from "./path-reading.ts";

test("a path that can be read in one way only is plain", () => {
  for (const path of ["/", "/a", "/a/b/", "/a.b/c..d", "/a-b_c~d!$&'()*+,=:@", "*"]) assert.ok(isPlainPath(path), path);
  for (const path of ["/%61", "//", "/a//b", "/a;b", "/a\\b", "/.", "/a/../b", "/.well-known"])
    assert.ok(!isPlainPath(path), path);
});

test("the readings of a path are those of apps that decode, join, drop parameters and turn backslashes", () => {
  const cases: readonly (readonly [path: string, ...readings: string[]])[] = [
    ["/a/b", "/a/b"],
    ["/.well-known/x", "/.well-known/x"],
    ["/%61dmin", "/admin"],
    ["/a%2fb", "/a/b"],
    ["/a%252fb", "/a/b"],
    ["/a%5Cb", "/a/b"],
    ["/a\\b", "/a/b"],
    ["//a///b", "/a/b"],
    ["/a;x=1/b;y", "/a/b", "/a/b"],
    ["/a;x%2fb", "/a/b", "/a"],
    ["/caf%c3%a9%20%3f", "/caf%C3%A9%20%3F"],
    ["/100%", "/100%"],
    ["/a%zz", "/a%zz"],
  ];
  for (const [path, ...readings] of cases) assert.deepEqual(pathReadings(path), readings, path);
});

test("dot segments in any writing, NULs and encodings without end have no reading", () => {
  for (const path of [
    "/a/../b",
    "/a/..",
    "/./a",
    "/a/%2e%2E/b",
    "/a/.%2e/b",
    "/a/..;x/b",
    "/a/%2e%2e;x/b",
    "/a\\..\\b",
    "/a%2f..%2fb",
    "/a/%252e%252e/b",
    "/a/..%5cb",
    "/a%00",
    "/%25252525252561",
  ])
    assert.equal(pathReadings(path), undefined, path);
});

test("a reading is read as itself", () => {
  const pieces = fc.constantFrom("/", "a", ".", "..", ";", "%2f", "%2e", "%25", "%61", "\\", "%5c", "b", "%00", "%zz");
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 12 }), (parts) => {
      for (const reading of pathReadings(`/${parts.join("")}`) ?? []) {
        assert.deepEqual(pathReadings(reading), [reading]);
        assert.ok(!/\/\.{1,2}(\/|$)|\/\/|;|\\/.test(reading), reading);
      }
    }),
    { numRuns: 1000 },
  );
});
