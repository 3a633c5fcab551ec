/** Clients and apps that speak in datagrams; all of their sockets close when the test ends. */
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";
import type { TestContext } from "node:test";
import { until } from "./patience.ts";

/** An app on a UDP port. */
export interface DatagramApp {
  readonly port: number;
  readonly url: string;
  /** What it was sent, as latin1. */
  readonly received: string[];
  /** Addresses and ports that it was sent something from. */
  readonly clients: Set<string>;
  /** Sends to everybody who has sent it something. */
  sendAll(text: string): void;
  close(): void;
}

/** `answer`: what it says to a datagram; several, or nothing. */
export async function startDatagramApp(
  context: TestContext,
  answer: (datagram: Buffer, app: DatagramApp) => readonly Buffer[],
  { port = 0, host = "127.0.0.1" } = {},
): Promise<DatagramApp> {
  const socket = await openSocket(context, host, port);
  const clients = new Map<string, RemoteInfo>();
  const app: DatagramApp = {
    port: socket.address().port,
    url: `udp://${host.includes(":") ? `[${host}]` : host}:${socket.address().port}`,
    received: [],
    clients: new Set(),
    sendAll: (text) => {
      for (const { address, port: to } of clients.values()) socket.send(text, to, address);
    },
    close: () => closeSocket(socket),
  };
  socket.on("message", (datagram, from) => {
    const name = `${from.address} ${from.port}`;
    clients.set(name, from);
    app.clients.add(name);
    app.received.push(datagram.toString("latin1"));
    for (const each of answer(datagram, app)) socket.send(each, from.port, from.address);
  });
  return app;
}

export const echoDatagrams = (context: TestContext): Promise<DatagramApp> =>
  startDatagramApp(context, (datagram) => [datagram]);

/** Answers with its name before what it was sent. */
export const namedApp = (context: TestContext, name: string): Promise<DatagramApp> =>
  startDatagramApp(context, (datagram) => [Buffer.concat([Buffer.from(`${name} `), datagram])]);

export const silentApp = (context: TestContext): Promise<DatagramApp> => startDatagramApp(context, () => []);

export class DatagramClient {
  readonly received: Buffer[] = [];
  readonly #socket: Socket;
  readonly #to: number;
  readonly #host: string;

  private constructor(socket: Socket, host: string, to: number) {
    this.#socket = socket;
    this.#host = host;
    this.#to = to;
    socket.on("message", (datagram) => this.received.push(datagram));
  }

  /** A client of the listener on port `to`, with a port of its own. */
  static async open(context: TestContext, to: number, host = "127.0.0.1"): Promise<DatagramClient> {
    return new DatagramClient(await openSocket(context, host, 0), host, to);
  }

  get port(): number {
    return this.#socket.address().port;
  }

  /** What it got, as latin1. */
  get texts(): string[] {
    return this.received.map((datagram) => datagram.toString("latin1"));
  }

  send(datagram: Buffer | string): void {
    this.#socket.send(datagram, this.#to, this.#host);
  }

  /** Sends, and waits for that many answers more. */
  async ask(datagram: Buffer | string, answers = 1): Promise<Buffer> {
    const before = this.received.length;
    this.send(datagram);
    await this.gets(before + answers);
    return this.received[before]!;
  }

  /** Waits until it has got that many datagrams in all. */
  async gets(count: number): Promise<void> {
    await until(`${count} datagrams, of which ${this.received.length} came`, () => this.received.length >= count);
  }

  /** Sends again and again until an answer comes, as clients of datagrams do. */
  async persist(datagram: Buffer | string): Promise<void> {
    const before = this.received.length;
    let tries = 0;
    await until("an answer to one of many tries", () => {
      if (tries++ % 10 === 0) this.send(datagram);
      return this.received.length > before;
    });
  }

  close(): void {
    closeSocket(this.#socket);
  }
}

async function openSocket(context: TestContext, host: string, port: number): Promise<Socket> {
  const socket = createSocket({ type: host.includes(":") ? "udp6" : "udp4", recvBufferSize: 1024 * 1024 });
  context.after(() => closeSocket(socket));
  // A client may hear that nobody listens any more.
  socket.on("error", () => {});
  socket.bind(port, host);
  await once(socket, "listening");
  return socket;
}

function closeSocket(socket: Socket): void {
  try {
    socket.close();
  } catch {
    // It is closed already.
  }
}
