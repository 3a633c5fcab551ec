/**
 * A connector that uses none of Polarity's code: a yamux library, a TCP socket and docs/PROTOCOL.md.
 *
 * Offers the service `hello` and answers each HTTP request itself. Run it against a router's link port:
 *
 *   node examples/foreign-connector.ts 127.0.0.1 8000 [token]
 *   curl http://127.0.0.1:8001/hello/
 */
import { connect } from "node:net";
import { argv, exit } from "node:process";

import { yamux } from "@chainsafe/libp2p-yamux";

const [host = "127.0.0.1", port = "8000", token] = argv.slice(2);
const socket = connect({ host, port: Number(port), noDelay: true });

// The library wants a connection of libp2p's; these are the parts of one that it uses.
const quiet = Object.assign(() => {}, { enabled: false, trace: () => {}, error: () => {}, newScope: () => quiet });
class Connection extends EventTarget {
  readonly direction = "outbound";
  readonly status = "open";
  readonly log = quiet;
  send(bytes: { subarray(): Uint8Array }): boolean {
    return socket.write(bytes.subarray());
  }
  abort(error: Error): void {
    socket.destroy(error);
  }
}
const connection = new Connection();
const muxer = yamux()().createStreamMuxer(connection as never);
socket.on("data", (data) => connection.dispatchEvent(Object.assign(new Event("message"), { data })));
socket.on("drain", () => connection.dispatchEvent(new Event("drain")));
socket.on("close", () => connection.dispatchEvent(new Event("close")));
socket.on("close", () => exit(1));
socket.on("error", (error) => console.error(error.message));

// Stream 1 is the control stream: JSON, one object a line.
const control = await muxer.createStream();
const tell = (message: object): boolean => control.send(Buffer.from(`${JSON.stringify(message)}\n`));
tell({ type: "hello", protocol: 1, node: "foreign", instance: String(Date.now()), token });
let lines = "";
control.addEventListener("message", ({ data }) => {
  lines += Buffer.from(data.subarray()).toString();
  for (let end = lines.indexOf("\n"); end >= 0; end = lines.indexOf("\n")) {
    const message = JSON.parse(lines.slice(0, end)) as { type: string; node?: string; message?: string };
    lines = lines.slice(end + 1);
    if (message.type === "welcome") tell({ type: "offer", service: "hello", protocol: "http/1.1" });
    if (message.type === "drain") tell({ type: "drain" });
    console.log(message.type, message.node ?? message.message ?? "");
  }
});

// Every stream of the router's is one request behind one line that says for which service and client.
muxer.addEventListener("stream", ({ detail: stream }) => {
  let request = "";
  stream.addEventListener("message", ({ data }) => {
    if (request.includes("\r\n\r\n")) return;
    request += Buffer.from(data.subarray()).toString("latin1");
    if (!request.includes("\r\n\r\n")) return;
    const { client } = JSON.parse(request.slice(0, request.indexOf("\n"))) as { client: string };
    const body = `Hello ${client}, you said: ${request.split("\n")[1]}\n`;
    stream.send(Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`));
    void stream.close();
  });
});
