/** A relay that passes connections on as they are, and keeps what was said on each. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import type { TestContext } from "node:test";
import type { Turn } from "./tapped-turns.ts";

export interface RecordingRelay {
  readonly port: number;
  /** Of each connection, in the order in which they came. */
  readonly conversations: readonly (readonly Turn[])[];
}

export async function startRecordingRelay(context: TestContext, target: number): Promise<RecordingRelay> {
  const conversations: Turn[][] = [];
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const turns: Turn[] = [];
    conversations.push(turns);
    const app = connect({ port: target, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
    const join = (from: Socket, to: Socket, side: Turn[0]): void => {
      sockets.add(from);
      from.on("data", (bytes: Buffer) => {
        turns.push([side, bytes]);
        to.write(bytes);
      });
      from.on("end", () => to.end());
      from.on("error", () => to.destroy());
    };
    join(client, app, ">");
    join(app, client, "<");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  context.after(async () => {
    server.close();
    for (const socket of sockets) socket.destroy();
    await once(server, "close");
  });
  return { port: (server.address() as AddressInfo).port, conversations };
}
