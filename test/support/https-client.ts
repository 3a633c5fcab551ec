/** HTTPS requests with Node's own client, each answer read to its end, with what TLS had to say. */
import { Agent, request } from "node:https";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import type { OutgoingHttpHeaders } from "node:http";
import type { TestContext } from "node:test";

export interface SecureAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** The first name in the server's certificate, and its serial number. */
  readonly name: string;
  readonly serial: string;
}

export interface SecureQuestion extends Pick<
  ConnectionOptions,
  "ca" | "cert" | "key" | "servername" | "maxVersion" | "rejectUnauthorized"
> {
  readonly path?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly agent?: Agent;
}

export function askSecurely(port: number, question: SecureQuestion): Promise<SecureAnswer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { host: "127.0.0.1", port, agent: false, signal: AbortSignal.timeout(30_000), ...question },
      (response) => {
        const certificate = (response.socket as TLSSocket).getPeerX509Certificate();
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          text += chunk;
        });
        response.on("error", reject);
        response.on("end", () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text,
            name: /DNS:([^,]+)/.exec(certificate?.subjectAltName ?? "")?.[1] ?? "",
            serial: certificate?.serialNumber ?? "",
          }),
        );
      },
    );
    outgoing.on("error", reject);
    outgoing.end();
  });
}

export function secureAgent(context: TestContext, options: ConnectionOptions): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ...(options as object) });
  context.after(() => agent.destroy());
  return agent;
}

/** A TLS connection that is up, closed when the test ends. Its sessions go to `sessions` as they come. */
export function connectSecurely(
  context: TestContext,
  port: number,
  options: ConnectionOptions,
  sessions: Buffer[] = [],
): Promise<TLSSocket> {
  const socket = connect({ host: "127.0.0.1", port, ...options });
  socket.on("session", (session: Buffer) => sessions.push(session));
  context.after(() => socket.destroy());
  return new Promise((resolve, reject) => {
    socket.once("secureConnect", () => resolve(socket));
    socket.on("error", reject);
  });
}
