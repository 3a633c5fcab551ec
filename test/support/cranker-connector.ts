/**
 * A cranker connector as they run in production, written from the protocol's description and sharing no code with the router:
 * keeps two idle websockets, pings, proxies to a real app, deregisters.
 */
import { randomUUID } from "node:crypto";
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import type { TestContext } from "node:test";
import { WebSocket } from "ws";

export interface ConnectorSettings {
  /** `ws://127.0.0.1:8000` */
  readonly router: string;
  /** `http://127.0.0.1:3000` */
  readonly target: string;
  readonly route?: string;
  readonly domain?: string;
  readonly version?: "1.0" | "3.0";
  readonly window?: number;
  readonly instance?: string;
  readonly component?: string;
  readonly headers?: Record<string, string>;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** Of messages that it takes; as one in Go it closes with 1009 on more. */
  readonly messageBytesMax?: number;
  /** How often it looks whether a socket is missing. */
  readonly retryMs?: number;
}

export class CrankerPeer {
  readonly instance: string;
  readonly sockets = new Set<WebSocket>();
  /** Heads as they came from the router. */
  readonly heads: string[] = [];
  /** Requests that the router gave up. */
  resets = 0;
  /** What the router closed sockets with. */
  readonly closes: string[] = [];
  readonly #settings: ConnectorSettings;
  readonly #idle = new Set<WebSocket>();
  #stopped = false;
  #retry: NodeJS.Timeout | undefined;

  constructor(settings: ConnectorSettings) {
    this.#settings = settings;
    this.instance = settings.instance ?? randomUUID();
    this.#addMissing();
  }

  /** Sends the deregistration, as connectors do when they stop; resolves with how the router closed it. */
  async deregister(): Promise<string> {
    this.#stopped = true;
    clearTimeout(this.#retry);
    const socket = new WebSocket(`${this.#settings.router}/deregister/${this.#query}`, [], this.#options);
    socket.on("error", () => {});
    return await new Promise((resolve) => {
      socket.on("close", (code, reason) => resolve(`${code} ${reason.toString()}`));
    });
  }

  /** As if the process were killed. */
  kill(): void {
    this.#stopped = true;
    clearTimeout(this.#retry);
    for (const socket of this.sockets) socket.terminate();
  }

  get #query(): string {
    const component = this.#settings.component ?? "shed";
    return `?connectorInstanceID=${encodeURIComponent(this.instance)}&componentName=${encodeURIComponent(component)}`;
  }

  get #options() {
    const { route = "web", domain = "*", headers = {}, ca, cert, key, messageBytesMax } = this.#settings;
    return {
      maxPayload: messageBytesMax ?? 256 * 1024 * 1024,
      perMessageDeflate: false,
      headers: { CrankerProtocol: "1.0", Route: route, Domain: domain, ...headers },
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert, key }),
    };
  }

  #addMissing(): void {
    const { window = 2, retryMs = 20 } = this.#settings;
    while (!this.#stopped && this.#idle.size < window) this.#connect();
    this.#retry = this.#stopped ? undefined : setTimeout(() => this.#addMissing(), retryMs);
  }

  #connect(): void {
    const { router, version = "3.0" } = this.#settings;
    const protocols = version === "3.0" ? ["cranker_3.0", "cranker_1.0"] : ["cranker_1.0"];
    const socket = new WebSocket(`${router}/register/${this.#query}`, protocols, this.#options);
    this.sockets.add(socket);
    this.#idle.add(socket);
    const ping = setInterval(() => socket.readyState === WebSocket.OPEN && socket.ping("ping"), 5_000);
    socket.on("error", () => {});
    socket.on("close", (code, reason) => {
      clearInterval(ping);
      this.sockets.delete(socket);
      this.#idle.delete(socket);
      this.closes.push(`${code} ${reason.toString()}`);
    });
    socket.on("open", () => {
      if (socket.protocol === "cranker_3.0") this.#multiplex(socket);
      else this.#single(socket);
    });
  }

  #ask(head: string): ClientRequest {
    this.heads.push(head);
    const [line = "", ...lines] = head.split("\n");
    const [method, path = ""] = line.split(" ");
    const headers: string[] = [];
    for (const each of lines) {
      const colon = each.indexOf(":");
      if (colon > 0) headers.push(each.slice(0, colon), each.slice(colon + 1));
    }
    const { hostname, port } = new URL(this.#settings.target);
    // Messages that were read before the pause still come, and each may wait for the app.
    return request({ hostname, port, method, path, headers, agent: false }).setMaxListeners(0);
  }

  #headOf(response: IncomingMessage): string {
    // Several connectors in use put a placeholder where the reason belongs.
    let head = `HTTP/1.1 ${response.statusCode} TODO\n`;
    for (let at = 0; at < response.rawHeaders.length; at += 2) {
      head += `${response.rawHeaders[at]}:${response.rawHeaders[at + 1]}\n`;
    }
    return head;
  }

  // ── 1.0 ──

  #single(socket: WebSocket): void {
    let outgoing: ClientRequest | undefined;
    let answered = false;
    socket.on("close", () => {
      if (!answered) outgoing?.destroy();
    });
    socket.on("message", (data: Buffer, isBinary) => {
      if (isBinary) {
        if (outgoing?.write(data) === false) {
          socket.pause();
          outgoing.once("drain", () => socket.resume());
        }
        return;
      }
      const text = data.toString("utf8");
      if (text === "_3") {
        outgoing?.end();
        // A request that was ended says nothing when there is room again.
        socket.resume();
        return;
      }
      this.#idle.delete(socket);
      if (!this.#stopped) this.#replace();
      outgoing = this.#ask(text.slice(0, -2));
      if (text.endsWith("_2")) outgoing.end();
      outgoing.on("error", () => socket.close(1011, "target request failed"));
      outgoing.on("response", (response) => {
        socket.send(this.#headOf(response));
        response.on("data", (chunk: Buffer) => {
          response.pause();
          socket.send(chunk, () => response.resume());
        });
        response.on("end", () => {
          answered = true;
          socket.close(1000);
        });
        response.on("error", () => socket.close(1011, "target failed"));
      });
    });
  }

  #replace(): void {
    clearTimeout(this.#retry);
    this.#addMissing();
  }

  // ── 3.0 ──

  #multiplex(socket: WebSocket): void {
    const exchanges = new Map<number, Exchange>();
    const send = (type: number, flags: number, id: number, payload: Buffer): void => {
      const head = Buffer.alloc(6);
      head[0] = type;
      head[1] = flags;
      head.writeInt32BE(id, 2);
      if (socket.readyState === WebSocket.OPEN) socket.send(Buffer.concat([head, payload]));
    };
    const acknowledge = (id: number, bytes: number): void => {
      const payload = Buffer.alloc(4);
      payload.writeInt32BE(bytes);
      send(8, 0, id, payload);
    };
    socket.on("close", () => {
      for (const exchange of exchanges.values()) exchange.outgoing?.destroy();
    });
    socket.on("message", (message: Buffer) => {
      const type = message[0];
      const flags = message[1] ?? 0;
      const id = message.readInt32BE(2);
      const payload = message.subarray(6);
      let exchange = exchanges.get(id);
      if (type === 1) {
        exchange ??= { head: "", outgoing: undefined, unacknowledged: 0, response: undefined };
        exchanges.set(id, exchange);
        exchange.head += payload.toString("utf8");
        acknowledge(id, payload.length);
        if ((flags & 4) === 0) return;
        this.#begin(id, exchange, exchanges, send);
        if ((flags & 1) !== 0) exchange.outgoing?.end();
      } else if (type === 0) {
        if (exchange?.outgoing === undefined) return;
        exchange.outgoing.write(payload, () => acknowledge(id, payload.length));
        if ((flags & 1) !== 0) exchange.outgoing.end();
      } else if (type === 3) {
        this.resets++;
        exchanges.delete(id);
        exchange?.outgoing?.destroy();
      } else if (type === 8 && exchange !== undefined) {
        exchange.unacknowledged -= payload.readInt32BE(0);
        if (exchange.unacknowledged < 16 * 1024) exchange.response?.resume();
      }
    });
  }

  #begin(
    id: number,
    exchange: Exchange,
    exchanges: Map<number, Exchange>,
    send: (type: number, flags: number, id: number, payload: Buffer) => void,
  ): void {
    const outgoing = this.#ask(exchange.head);
    exchange.outgoing = outgoing;
    const fail = (): void => {
      if (!exchanges.delete(id)) return;
      const payload = Buffer.alloc(4);
      payload.writeInt32BE(1011);
      send(3, 0, id, Buffer.concat([payload, Buffer.from("target request failed")]));
    };
    outgoing.on("error", fail);
    outgoing.on("response", (response) => {
      exchange.response = response;
      const head = this.#headOf(response);
      for (let at = 0; at < head.length; at += 16_000) {
        const part = Buffer.from(head.slice(at, at + 16_000));
        exchange.unacknowledged += part.length;
        send(1, at + 16_000 >= head.length ? 4 : 0, id, part);
      }
      response.on("data", (chunk: Buffer) => {
        exchange.unacknowledged += chunk.length;
        send(0, 0, id, chunk);
        if (exchange.unacknowledged > 64 * 1024) response.pause();
      });
      response.on("error", fail);
      response.on("end", () => {
        if (exchanges.delete(id)) send(0, 1, id, Buffer.alloc(0));
      });
    });
  }
}

interface Exchange {
  head: string;
  outgoing: ClientRequest | undefined;
  response: IncomingMessage | undefined;
  unacknowledged: number;
}

/** A connector that is killed when the test ends. */
export function startCrankerPeer(context: TestContext, settings: ConnectorSettings): CrankerPeer {
  const peer = new CrankerPeer(settings);
  context.after(() => peer.kill());
  return peer;
}
