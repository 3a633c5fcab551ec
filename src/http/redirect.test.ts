import assert from "node:assert/strict";
import { test } from "node:test";
import { redirectLocation, redirectResponse, redirectTo } from "./redirect.ts";

test("a redirect keeps what it does not say", () => {
  const cases: readonly (readonly [to: string, port: number, location: string])[] = [
    ["https", 0, "https://a.example/x?y=1"],
    ["https", 8443, "https://a.example:8443/x?y=1"],
    ["https://www.example.com", 0, "https://www.example.com/x?y=1"],
    ["HTTP://www.example.com:81", 0, "http://www.example.com:81/x?y=1"],
    ["https://www.example.com/", 0, "https://www.example.com/"],
    ["https://www.example.com/new?z", 0, "https://www.example.com/new?z"],
    ["/new", 0, "/new"],
  ];
  for (const [to, port, location] of cases)
    assert.equal(redirectLocation(redirectTo(to, 308, port)!, "a.example:8001", "/x?y=1"), location, to);
});

test("the request's own host and path cannot make a Location that leads elsewhere", () => {
  const https = redirectTo("https", 308, 0)!;
  assert.equal(redirectLocation(https, "[::1]:80", "//evil.example/x"), "https://[::1]//evil.example/x");
  assert.equal(redirectLocation(https, "a", "*"), "https://a/");
  assert.equal(redirectLocation(https, "", "/x"), "", "no host to stay on");
  assert.equal(redirectLocation(redirectTo("https://b", 302, 0)!, "", "//evil"), "https://b//evil");
});

test("what is no URL of the web, or could be read as two, is no place to go", () => {
  for (const to of [
    "",
    "http",
    "//b",
    "b",
    "ftp://b",
    "https://",
    "https://u@b",
    "https://b c",
    "/a\r\nB: c",
    "/a#b",
    "/\\b",
    "https://b?c",
  ])
    assert.equal(redirectTo(to, 308, 0), undefined, to);
});

test("a redirect is a whole answer", () => {
  const head = redirectResponse(301, "https://a/", "POST");
  assert.deepEqual([head.status, head.framing, head.header("location")], [301, "none", "https://a/"]);
});
