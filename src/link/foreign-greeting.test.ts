import assert from "node:assert/strict";
import { test } from "node:test";
import { foreignGreeting } from "./foreign-greeting.ts";

test("what speaks something else than links is called by its name", () => {
  const cases: readonly (readonly [Buffer, RegExp])[] = [
    [Buffer.from("HTTP/1.1 400 Bad Request\r\n"), /^an HTTP server answers there/],
    [Buffer.from("<!DOCTYPE html>"), /^an HTTP server answers there/],
    [Buffer.from([0x15, 0x03, 0x01, 0, 2, 2, 40]), /TLS answers there; use tls:\/\//],
    [Buffer.from("SSH-2.0-OpenSSH_9.2"), /^an SSH server/],
    [Buffer.from("220 mail.example.com ESMTP"), /^a mail or FTP server/],
    [Buffer.from("-ERR unknown command"), /Redis protocol/],
    [Buffer.from([7]), /its first byte is 7/],
  ];
  for (const [bytes, words] of cases) assert.match(foreignGreeting(bytes) ?? "", words);
});

test("what may be a link is not", () => {
  assert.equal(foreignGreeting(Buffer.from([0, 0])), undefined);
  assert.equal(foreignGreeting(Buffer.alloc(0)), undefined);
});
