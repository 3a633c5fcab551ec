import assert from "node:assert/strict";
import { test } from "node:test";
import { type CloudbusRole, parseCloudbus } from "./cloudbus.ts";

const parse = (role: CloudbusRole, text: string) => parseCloudbus(role, text, "c.ini");

test("a controller listens for clients and links to each of its segments once", () => {
  const { raw, warnings, expected } = parse(
    "controller",
    `\uFEFF[Cloudbus]\r\nanything = goes\r\n
; two services that share a segment
[ECHO]
Bind = tcp://127.0.0.1:1      # clients
SERVER=tcp://127.0.0.1:2
server = unix:///run/Seg#1;x
mode=Half Duplex
[log]
bind=unix:///run/log
backend=tcp://127.0.0.1:2
backend=tcp://127.0.0.1:3
full_duplex = YES
[solo]
bind=tcp://[::1]:4
server=tcp://host.name:5`,
  );
  const token = { identity: "segments", token: undefined, tokenFile: undefined, tls: undefined };
  assert.deepEqual(raw, {
    links: {
      dial: [
        { url: "tcp://127.0.0.1:2", ...token },
        { url: "unix:///run/Seg#1;x", ...token },
        { url: "tcp://127.0.0.1:3", ...token },
        { url: "tcp://host.name:5", ...token },
      ],
    },
    listeners: [
      { url: "tcp://127.0.0.1:1", service: "echo", mode: "half-duplex" },
      { url: "unix:///run/log", service: "log", mode: "full-duplex" },
      { url: "tcp://[::1]:4", service: "solo", mode: "one" },
    ],
  });
  assert.deepEqual(warnings, []);
  assert.deepEqual(expected, [["echo", "log"], ["echo"], ["log"], ["solo"]]);
});

test("what vouches for segments goes to those that are dialled over TLS", () => {
  const text = "[a]\nbind=tcp://127.0.0.1:1\nserver=tls://s:2\nserver=srv+tls://_a._tcp.s\nserver=tcp://127.0.0.1:3\n";
  const { raw } = parseCloudbus("controller", text, "c.ini", { ca: "ca.pem" });
  const dial = (raw["links"] as { dial: { tls: unknown }[] }).dial;
  assert.deepEqual(
    dial.map(({ tls }) => tls),
    [{ ca: "ca.pem" }, { ca: "ca.pem" }, undefined],
  );
});

test("several servers without a mode are half duplex, whichever key says otherwise", () => {
  const mode = (line: string): unknown => {
    const { raw } = parse("controller", `[a]\nbind=1\nserver=tcp://a:1\nserver=tcp://b:1\n${line}`);
    return (raw["listeners"] as { mode: string }[])[0]?.mode;
  };
  assert.equal(mode(""), "half-duplex");
  for (const full of ["mode=full duplex", "MODE = FULL-DUPLEX", "mode=full", "full_duplex=1", "Full_Duplex=true"]) {
    assert.equal(mode(full), "full-duplex", full);
  }
  for (const half of ["mode=half duplex", "mode=half_duplex", "full_duplex=no"])
    assert.equal(mode(half), "half-duplex");
});

test("a segment takes links and has one server for each service", () => {
  const { raw } = parse("segment", "[Echo]\nbind=tcp://127.0.0.1:1\nserver=tcp://127.0.0.1:2\n");
  assert.deepEqual(raw, {
    links: { accept: [{ url: "tcp://127.0.0.1:1", tls: undefined, auth: undefined, insecure: false, relay: false }] },
    services: { echo: { target: "tcp://127.0.0.1:2" } },
  });
});

test("sections of one name are one, and a line that is there twice counts once", () => {
  const text =
    "[Echo]\nbind=1\nserver=tcp://a:1\n[other]\nbind=2\nserver=tcp://b:1\n[ECHO]\nbind=1\nbind=3\nserver=tcp://a:1\nserver=tcp://c:1\nmode=full duplex\n";
  const { raw, expected } = parse("controller", text);
  assert.deepEqual(raw["listeners"], [
    { url: "1", service: "echo", mode: "full-duplex" },
    { url: "3", service: "echo", mode: "full-duplex" },
    { url: "2", service: "other", mode: "one" },
  ]);
  assert.deepEqual(expected, [["echo"], ["echo"], ["other"]]);
  const { raw: segment } = parse("segment", "[a]\nbind=1\n[a]\nserver=tcp://b:1\nbind=1\n");
  assert.deepEqual(segment["services"], { a: { target: "tcp://b:1" } });
});

test("blanks in names become hyphens, for controllers and segments alike", () => {
  const controller = parse("controller", "[Simple  Service ]\nbind=1\nserver=tcp://a:1\n").raw;
  const segment = parse("segment", "[simple service]\nbind=1\nserver=tcp://a:1\n").raw;
  assert.deepEqual(controller["listeners"], [{ url: "1", service: "simple-service", mode: "one" }]);
  assert.deepEqual(segment["services"], { "simple-service": { target: "tcp://a:1" } });
});

test("srv:, naptr: and urn: are looked up in records", () => {
  const lines = ["srv:_echo._tcp.example.com", "NAPTR:example.com", "urn:Example:echo:1", "srv+tcp://_a._tcp.b"];
  const target = (line: string): unknown =>
    (parse("segment", `[a]\nbind=1\nbackend=${line}\n`).raw["services"] as { a: { target: string } }).a.target;
  assert.deepEqual(lines.map(target), [
    "srv+tcp://_echo._tcp.example.com",
    "naptr+tcp://example.com",
    "naptr+tcp://example.urn",
    "srv+tcp://_a._tcp.b",
  ]);
});

test("an unknown key is a warning with its line", () => {
  const { warnings } = parse("segment", "[a]\nbind=tcp://a:1\nserver=tcp://a:2\ntimeout=3\n");
  assert.deepEqual(warnings, ["c.ini:4: unknown key timeout in [a]"]);
});

test("each problem is one line with its place, and all are said at once", () => {
  const wrong: readonly [CloudbusRole, string, readonly string[]][] = [
    ["controller", "", ["c.ini:1: there is no [Service]"]],
    ["controller", "[Cloudbus]\n", ["c.ini:1: there is no [Service]"]],
    [
      "controller",
      "bind=x\n[a]\n",
      ["c.ini:1: bind stands before the first [Name]", "c.ini:2: [a] has no bind", "c.ini:2: [a] has no server"],
    ],
    [
      "controller",
      "[a\n[]\nx",
      ["c.ini:1: expected [Name]", "c.ini:2: expected [Name]", "c.ini:3: expected key=value"],
    ],
    [
      "controller",
      "[a]\nbind=1\nserver=3\nserver=urn:x\nmode=both",
      [
        "c.ini:4: expected urn:NAMESPACE:NAME, not urn:x",
        "c.ini:5: mode: expected half duplex or full duplex, not both",
      ],
    ],
    [
      "controller",
      "[a]\nbind=1\nserver=2\n[A]\nbind=3\nserver=4\nfull_duplex=maybe",
      ["c.ini:7: full_duplex: expected yes or no, not maybe"],
    ],
    [
      "controller",
      "[a b]\nbind=1\nserver=2\n[a-b]\nbind=3\nserver=4",
      ["c.ini:4: [a-b] would be the same service as [a b] of line 1"],
    ],
    ["segment", "[a]\nbind=1\nserver=2\n[a]\nserver=3", ["c.ini:5: a segment has one server, and [a] a second"]],
    ["segment", "[a]\nbind=1\nserver=2\nserver=3", ["c.ini:4: a segment has one server, and [a] a second"]],
  ];
  for (const [role, text, lines] of wrong) {
    assert.throws(() => parse(role, text), { code: "CONFIG_INVALID", message: lines.join("\n") }, text);
  }
});
