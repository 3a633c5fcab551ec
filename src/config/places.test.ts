import assert from "node:assert/strict";
import { test } from "node:test";
import { parseConfig } from "./file.ts";

function problems(text: string): string[] {
  try {
    parseConfig(text, { file: "polarity.yaml", folder: ".", environment: {} });
  } catch (error) {
    return (error as Error).message.split("\n");
  }
  return [];
}

test("places that exclude each other are problems, each at the later one", () => {
  assert.deepEqual(
    problems(`links: { accept: [{ url: "tcp://127.0.0.1:8100" }] }
listeners:
  - { url: "http://127.0.0.1:8100", service: web }
  - { url: "http://127.0.0.1:8101", service: web }
  - { url: "http://0.0.0.0:8101", service: web }
  - { url: "udp://0.0.0.0:8101", service: dns }
  - { url: "unix:@x", service: web }
  - { url: "unix:@x", service: web }
  - { url: "http://127.0.0.1:0", service: web }
  - { url: "http://127.0.0.1:0", service: web }
  - { url: "http://[::1]:8103", service: web }
  - { url: "http://0.0.0.0:8103", service: web }
admin: { url: "http://127.0.0.1:8103" }
`).filter((line) => line.includes("takes it already")),
    [
      "polarity.yaml:3:12: listeners[0].url: http://127.0.0.1:8100 cannot be listened at: links.accept[0] takes it already (tcp://127.0.0.1:8100)",
      "polarity.yaml:5:12: listeners[2].url: http://0.0.0.0:8101 cannot be listened at: listeners[1] takes it already (http://127.0.0.1:8101)",
      "polarity.yaml:8:12: listeners[5].url: unix:@x cannot be listened at: listeners[4] takes it already (unix:@x)",
      "polarity.yaml:13:15: admin.url: http://127.0.0.1:8103 cannot be listened at: listeners[9] takes it already (http://0.0.0.0:8103)",
    ],
  );
});

test("a file in a folder that is not there is a problem", () => {
  const [socket, log, ...rest] = problems(`listeners:
  - { url: "unix:///no/such/folder/x.sock", service: web }
  - { url: "http://127.0.0.1:8101", service: web, accessLog: { path: /no/such/access.log } }
`);
  assert.equal(
    socket,
    "polarity.yaml:2:12: listeners[0].url: /no/such/folder/x.sock cannot be made: the folder /no does not exist",
  );
  assert.match(
    log ?? "",
    /^polarity\.yaml:3:\d+: listeners\[1\]\.accessLog\.path: \/no\/such\/access\.log cannot be made/,
  );
  assert.deepEqual(rest, []);
});

test("an access log's path is relative to the configuration's folder, as every file", () => {
  const text = `accessLog: { path: node.log }
listeners: [{ url: "http://127.0.0.1:8101", service: web, accessLog: { path: ./own.log } }]
`;
  const { config } = parseConfig(text, { file: "polarity.yaml", folder: "/tmp", environment: {} });
  assert.deepEqual([config.accessLog?.path, config.listeners[0]?.accessLog?.path], ["/tmp/node.log", "/tmp/own.log"]);
});
