/** A cranker connector's websocket of which a test writes every message itself. */
import type { TestContext } from "node:test";
import { type Message, WebSocketClient } from "./web-sockets.ts";

export interface RawSettings {
  readonly route?: string;
  readonly domain?: string;
  readonly version?: "1.0" | "3.0";
  readonly instance?: string;
  readonly headers?: Record<string, string>;
}

export interface RawFrame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Buffer;
}

export class RawConnector extends WebSocketClient {
  constructor(context: TestContext, link: string, settings: RawSettings = {}) {
    const { route = "web", domain = "*", version = "3.0", instance = "raw", headers = {} } = settings;
    super(
      context,
      `${link.replace("tcp", "ws")}/register/?connectorInstanceID=${instance}&componentName=raw`,
      `cranker_${version}`,
      {
        perMessageDeflate: false,
        headers: { CrankerProtocol: "1.0", Route: route, Domain: domain, ...headers },
      },
    );
  }

  /** The next frame, 3.0. */
  async frame(): Promise<RawFrame> {
    const { data }: Message = await this.message();
    return { type: data[0]!, flags: data[1]!, id: data.readInt32BE(2), payload: data.subarray(6) };
  }

  send(type: number, flags: number, id: number, payload: string | Buffer = ""): void {
    const head = Buffer.alloc(6);
    head[0] = type;
    head[1] = flags;
    head.writeInt32BE(id, 2);
    this.socket.send(Buffer.concat([head, Buffer.from(payload)]));
  }

  /** A whole answer, 3.0. */
  answer(id: number, body: string): void {
    this.send(1, 4, id, "HTTP/1.1 200 OK\n");
    this.send(0, 1, id, body);
  }
}
