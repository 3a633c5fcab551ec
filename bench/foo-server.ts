/** Answers each 64-byte line of the Foo Protocol with one of the same size, as cheaply as can be. Prints its port. */
import { type AddressInfo, createServer } from "node:net";

const REQ = 0x52;
const ACK = Buffer.from("ACK");

const server = createServer({ noDelay: true }, (socket) => {
  // Requests come whole, or in pieces that are sent back as they are: only the first letters change.
  let startsLine = true;
  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk: Buffer) => {
    for (let at = 0; at < chunk.length;) {
      if (startsLine && chunk[at] === REQ) ACK.copy(chunk, at);
      const end = chunk.indexOf(10, at);
      startsLine = end >= 0;
      at = end < 0 ? chunk.length : end + 1;
    }
    socket.write(chunk);
  });
});
server.listen({ port: 0, host: "127.0.0.1", backlog: 1_024 }, () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
});
