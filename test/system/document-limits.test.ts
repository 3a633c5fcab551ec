/** The tables of limits in docs/SECURITY.md and docs/PROTOCOL.md say what the schema and the code say. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { configReference } from "../../src/config/reference.ts";
import { documents, proseOf } from "../support/documents.ts";
import { DEFAULT_LINK_LIMITS } from "../../src/link/link-limits.ts";
import { DEFAULT_MUX_LIMITS } from "../../src/mux/mux-limits.ts";
import { REGISTRY_LIMITS } from "../../src/registry/registry.ts";
import { DEFAULT_POLICY, DEFAULT_RETRIES } from "../../src/session/exchange-policy.ts";

const root = join(import.meta.dirname, "..", "..");

/** `section.key` to the default, as the reference writes it: `"10s"`, `1024`, or nothing. */
const defaults = new Map(
  configReference()
    .split("### `")
    .flatMap((section) => {
      const name = section.slice(0, section.indexOf("`"));
      return [...section.matchAll(/^\| `([^`]+)` \| [^|]*\| (?:`([^`]*)`)? ?\|/gm)].map(
        ([, key, value]) => [name + (key!.startsWith("[") ? "" : ".") + key!, value ?? ""] as const,
      );
    }),
);

/** The rows of the table that begins with these headings, without the headings. */
function rowsBelow(document: string, ...headings: readonly string[]): string[][] {
  const lines = readFileSync(join(root, document), "utf8").split("\n");
  const cells = (line: string): string[] =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim());
  const start = lines.findIndex((line) => headings.every((heading, index) => cells(line)[index] === heading));
  assert.ok(start >= 0, `${document} has a table of ${headings.join()}`);
  const end = lines.findIndex((line, index) => index > start && !line.startsWith("|"));
  return lines.slice(start + 2, end).map(cells);
}

const security = rowsBelow("docs/SECURITY.md", "What", "Default", "Stops", "Set by").map(
  ([what = "", values = "", , keys = "", ...more]) => ({ what, values: parts(values), keys: parts(keys), more }),
);
const keyed = security.filter(({ keys }) => keys[0]?.startsWith("`") === true);

function parts(cell: string): string[] {
  return cell.split(";").map((part) => part.trim());
}

test("every limit that the table names a key for has the default that it says", () => {
  assert.ok(keyed.length > 15, `${keyed.length} rows`);
  for (const { what, values, keys } of keyed) {
    assert.equal(values.length, keys.length, `${what}: a value for each key`);
    for (const [at, key] of keys.entries()) {
      const value = defaults.get(key.replaceAll("`", ""));
      assert.ok(value !== undefined, `${key} is a key of the configuration`);
      const plain = value === "" || value === "0" ? "none" : value.replaceAll('"', "");
      assert.equal(values[at]!.replaceAll(/[, ]/g, ""), plain, `${what}: ${key}`);
    }
  }
});

test("every limit of the configuration is in the table", () => {
  const limits = [...defaults.keys()].filter((key) => /^(listeners\[\]\.)?limits\.[a-zA-Z]+$/.test(key));
  const named = new Set(keyed.flatMap(({ keys }) => keys.map((key) => key.replaceAll("`", ""))));
  assert.ok(limits.length > 15, `${limits.length} limits`);
  assert.deepEqual(
    limits.filter((key) => !named.has(key)),
    [],
  );
});

test("every row says by what it is set, and keys of routes are keys", () => {
  const suffixes = [...defaults.keys()].map((key) => `.${key}`);
  for (const { what, keys, more } of security) {
    assert.ok(keys.every((key) => key === "fixed" || key.includes("`")) && more.length === 0, what);
    for (const [, key] of keys.join().matchAll(/`([^`]+)`/g)) {
      assert.ok(
        suffixes.some((suffix) => suffix.endsWith(`.${key}`)),
        `${what}: ${key}`,
      );
    }
  }
});

test("every other limit of SECURITY has the value that the code has", () => {
  const others = security.filter((row) => !keyed.includes(row));
  assert.deepEqual(Object.fromEntries(others.map(({ what, values }) => [what, values.join("; ")])), securityLimits());
});

test("every limit of PROTOCOL has the value that the code has, or the configuration by default", () => {
  const rows = rowsBelow("docs/PROTOCOL.md", "Limit", "Value");
  assert.deepEqual(Object.fromEntries(rows.map(([what, value]) => [what, value])), protocolLimits());
});

test("a key that prose or another table names with a value has that value by default", () => {
  const shown = documents
    .filter(({ path }) => path !== "docs/API.md")
    .flatMap((document) =>
      [...proseOf(document).replaceAll(/\s+/g, " ").matchAll(KEY_AND_VALUE)].map(([, key, value]) => ({
        path: document.path,
        key: key!,
        value: value!.replaceAll(/[ ,]/g, ""),
        known: known.filter((each) => `.${each.key}`.endsWith(`.${key}`)).flatMap(({ values }) => values),
      })),
    )
    .filter(({ known: values }) => values.length > 0);
  assert.ok(shown.length > 20, `${shown.length} values`);
  assert.deepEqual(
    shown.filter(({ value, known: values }) => !values.includes(value)),
    [],
  );
});

/** "`5m` where left out", "100 where left out", "Left out: 1s for requests". */
const LEFT_OUT = /(?<=Left out: )\d\w+|(?:`[^`]+`|[\d,]+)(?= where left out)/g;

/** `limits.idleTimeout` 60s, `buffer` (1 MiB). */
const KEY_AND_VALUE =
  /`([a-zA-Z][\w.[\]]*)`,? \(?`?(\d[\d,.]*(?: ?(?:ms|s|m|h|d|%|KiB|MiB|GiB)(?![A-Za-z]))?)(?=[`),;|. ])/g;

/** Each key with its default, and with what is said to hold where it is left out. */
const known = configReference()
  .split("### `")
  .flatMap((section) => {
    const name = section.slice(0, section.indexOf("`"));
    return [...section.matchAll(/^\| `([^`]+)` \| [^|]* \| (?:`([^`]*)`)? ?\| (.*) \|$/gm)].map(
      ([, key, value = "", meaning = ""]) => ({
        key: name + (key!.startsWith("[") ? "" : ".") + key!,
        values: [value, ...[...meaning.matchAll(LEFT_OUT)].map(([other]) => other)]
          .map((text) => text.replaceAll(/["` ,]/g, ""))
          .filter((text) => text !== ""),
      }),
    );
  });

/** A constant of a source that need not be anybody else's: `const NAME = 64 * 1024;`. */
function constant(file: string, name: string): number {
  const source = readFileSync(join(root, "src", file), "utf8");
  const [, expression] = new RegExp(`^(?:export )?const ${name}\\b[^=]*= ([\\d_ *]+);`, "m").exec(source) ?? [];
  assert.ok(expression !== undefined, `src/${file} has ${name}`);
  return expression.split("*").reduce((product, factor) => product * Number(factor.trim().replaceAll("_", "")), 1);
}

const count = (value: number): string => value.toLocaleString("en-US");

function size(bytes: number): string {
  if (bytes >= 1024 * 1024) return `${count(bytes / (1024 * 1024))} MiB`;
  return bytes >= 1024 ? `${count(bytes / 1024)} KiB` : `${bytes} B`;
}

function time(ms: number): string {
  if (ms >= 3_600_000) return `${ms / 3_600_000} h`;
  return ms > 60_000 ? `${ms / 60_000} min` : `${ms / 1000} s`;
}

/** As the reference writes it: `"8MiB"` is 8 MiB, `16384` is 16,384. */
function byDefault(key: string): string {
  const value = defaults.get(key)?.replaceAll('"', "") ?? "";
  const [, amount, unit = ""] = /^(\d+)([A-Za-z]*)$/.exec(value) ?? [];
  assert.ok(amount !== undefined, `${key}: ${value}`);
  return `${count(Number(amount))}${unit === "" ? "" : ` ${unit}`}`;
}

function securityLimits(): Readonly<Record<string, string>> {
  const { linksMax, controlLineBytesMax, preambleBytesMax } = DEFAULT_LINK_LIMITS;
  const claims = REGISTRY_LIMITS.claimsPerPayerMax;
  assert.equal(controlLineBytesMax, preambleBytesMax);
  const pings = constant("listen/http2-allowance.ts", "PINGS_PER_SECOND");
  const settings = constant("listen/http2-allowance.ts", "SETTINGS_PER_SECOND");
  const admin = constant("admin/bounded-server.ts", "CONNECTIONS_MAX");
  const health = constant("admin/bounded-server.ts", "PLACES_MAX") - admin;
  const adminBody = size(constant("admin/admin.ts", "BODY_BYTES_MAX"));
  const adminHead = time(constant("admin/bounded-server.ts", "HEAD_MS"));
  const copies = count(constant("session/mirroring.ts", "COPIES_MAX"));
  const copyLife = time(constant("session/mirroring.ts", "COPY_LIFE_MS"));
  const kept = count(constant("link/preamble.ts", "PLACES"));
  return {
    "pings a second on one link": count(DEFAULT_MUX_LIMITS.peerPingsPerSecondMax),
    "control bytes queued for a peer": size(DEFAULT_MUX_LIMITS.controlBytesMax),
    "control line, preamble": `${size(controlLineBytesMax)} each`,
    "levels of JSON in either, and in bodies of the admin API": `${constant("base/bounded-json.ts", "JSON_DEPTH_MAX")}`,
    "log lines of what strangers can repeat, for each key": `1 in ${time(constant("base/quiet-log.ts", "QUIET_MS"))}`,
    "what a link keeps of preambles and clients, to know them again": `${kept} each, ${constant("link/preamble.ts", "BEGINNING_BYTES_MAX")} bytes`,
    "names of nodes and services, in characters": count(constant("link/link-limits.ts", "NAME_LENGTH_MAX")),
    "names that one identity claims, ever; all of them together": `${count(claims)}; ${count(claims * constant("registry/name-claims.ts", "PAYERS_AT_ONCE"))}`,
    "links of one identity to one listener": `${count(linksMax / 2)} of ${count(linksMax)}`,
    "names of absent nodes, and of services that nobody offers, remembered": `${count(constant("registry/registry.ts", "ABSENT_NAMES_MAX"))} each, ${time(REGISTRY_LIMITS.forgetAfterMs)}`,
    "requests that wait for an offer": `${count(constant("node/node.ts", "WAITERS_MAX"))} a node`,
    "streams to relay that wait for an offer": `${count(constant("node/relayed-sessions.ts", "WAITING_MAX"))} a node`,
    "extensions of a chunk; trailers of a body": `${size(constant("http/chunked-framing.ts", "EXTENSION_BYTES_MAX"))}; ${size(constant("http/chunked-framing.ts", "TRAILER_BYTES_MAX"))}`,
    "HTTP/2 pings and settings a second": `${pings}; ${settings}`,
    "HTTP/2 requests at once on a connection to an app; taken back on it, ever": `${constant("target/http2-sessions.ts", "STREAMS_MAX")}; ${constant("target/http2-sessions.ts", "TAKEN_BACK_MAX")}`,
    "HTTP/2 bytes a second that carry no request": size(
      constant("listen/http2-allowance.ts", "OVERHEAD_BYTES_PER_SECOND"),
    ),
    "window of an HTTP/2 stream, from a client": size(constant("listen/http2-connection.ts", "STREAM_WINDOW_BYTES")),
    "interim heads (1xx) that wait for an HTTP/2 client; further ones are left out": `${size(constant("listen/http2-writer.ts", "INTERIM_BYTES_MAX"))} an answer`,
    "time a closing connection takes nothing": time(constant("socket/socket-stream.ts", "CLOSE_STALLED_MS")),
    "bytes read of a client that are not passed": size(constant("socket/socket-stream.ts", "READ_AHEAD_BYTES")),
    "rest of a body that nobody reads": size(constant("listen/request-intake.ts", "DISCARD_BYTES_MAX")),
    "request kept to be sent to another offer": size(constant("session/replay-buffer.ts", "REPLAY_BYTES_MAX")),
    "offers that one request tries": count(DEFAULT_RETRIES.attemptsMax),
    "retries and hedges of a service": `${DEFAULT_RETRIES.share * 100}% of its requests, and ${DEFAULT_RETRIES.floorPerSecond} a second`,
    "silence in the middle of an answer": time(DEFAULT_POLICY.stallTimeoutMs),
    "copies of requests for mirrors": `${copies}; ${byDefault("listeners[].mirror.body")}; ${copyLife}`,
    "clients whose rate is remembered": `${count(constant("listen/request-rates.ts", "RATE_CLIENTS_MAX"))} a listener`,
    "a PROXY header": `${size(constant("base/proxy-header.ts", "V1_BYTES_MAX"))}; ${size(constant("base/proxy-header-reader.ts", "PROXY_HEADER_BYTES_MAX"))}`,
    "connections of the admin listener; bodies; time for a head": `${admin}, and ${health} for health; ${adminBody}; ${adminHead}`,
  };
}

function protocolLimits(): Readonly<Record<string, string>> {
  const link = (name: string): number => constant("link/link-limits.ts", name);
  const limits = DEFAULT_LINK_LIMITS;
  const [labels, keys, values] = [link("LABELS_MAX"), link("LABEL_KEY_LENGTH_MAX"), link("LABEL_VALUE_LENGTH_MAX")];
  const wait = time(constant("link/preamble.ts", "RELAY_WAIT_MAX_MS"));
  return {
    handshake: byDefault("limits.handshakeTimeout"),
    "connections of a port that have not joined": byDefault("limits.handshakes"),
    "links of a port": count(limits.linksMax),
    "head of an upgrade request": size(constant("link/upgrade-gate.ts", "HEAD_BYTES_MAX")),
    "websocket message": size(limits.websocketMessageBytesMax),
    "control line": size(limits.controlLineBytesMax),
    "levels of JSON in a line": count(constant("base/bounded-json.ts", "JSON_DEPTH_MAX")),
    "control lines": `${count(limits.controlLinesBurst)}, then ${count(limits.controlLinesPerSecond)} a second`,
    "services offered over a link": byDefault("limits.offers"),
    "names that one identity claims, ever": count(REGISTRY_LIMITS.claimsPerPayerMax),
    "what all offers of one identity take": byDefault("limits.offerMemory"),
    "names of nodes and services, codes": `${link("NAME_LENGTH_MAX")} characters`,
    "messages of errors": `${count(link("MESSAGE_LENGTH_MAX"))} characters`,
    "labels of an offer": `${labels}, keys of ${keys}, values of ${values} characters`,
    "labels of an offer, all together": `${count(constant("registry/announcement.ts", "LABEL_CHARACTERS_MAX"))} characters`,
    "features; routers and their URLs": `${link("FEATURES_MAX")}; ${link("ROUTERS_MAX")} of ${count(link("URL_LENGTH_MAX"))} characters`,
    "nodes of a `path`, instances of a `via`": count(link("HOPS_MAX")),
    token: `${count(link("TOKEN_LENGTH_MAX"))} characters`,
    "streams that the peer has open": byDefault("limits.streams"),
    "streams whose preamble is not complete": count(limits.unacceptedStreamsMax),
    preamble: size(limits.preambleBytesMax),
    "`client` of a preamble": `${constant("link/preamble.ts", "CLIENT_LENGTH_MAX")} characters`,
    "streams to relay that wait, of a node": `${count(constant("node/relayed-sessions.ts", "WAITING_MAX"))}, each ${wait} at most`,
    "receive window of a stream": `${size(constant("mux/frame.ts", "INITIAL_WINDOW_BYTES"))}, grown to ${byDefault("limits.window")}`,
    "growth of all windows of a link, of a node": `${byDefault("limits.linkMemory")}, ${byDefault("limits.memory")}`,
    "resets in a second": byDefault("limits.resets"),
    "pings in a second": count(DEFAULT_MUX_LIMITS.peerPingsPerSecondMax),
    "answers (pongs, resets) not read": size(DEFAULT_MUX_LIMITS.controlBytesMax),
  };
}
