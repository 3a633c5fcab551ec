/** HTTP requests with Node's own client, each answer read to its end. */
import { Agent, type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from "node:http";
import type { TestContext } from "node:test";

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly text: string;
}

export interface Question {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string | Buffer;
  /** Without one, every request has a connection of its own. */
  readonly agent?: Agent;
}

/** Even 64 MiB on a busy machine take less. */
const ANSWER_WITHIN_MS = 60_000;

/** Rejects when the connection breaks, also in the middle of the answer. */
export function ask(port: number, question: Question = {}): Promise<Answer> {
  const { path = "/", method = "GET", headers = {}, body, agent } = question;
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        host: "127.0.0.1",
        port,
        path,
        method,
        headers,
        agent: agent ?? false,
        signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const whole = Buffer.concat(chunks);
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: whole,
            text: whole.toString("utf8"),
          });
        });
      },
    );
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

/** An agent that keeps its connections, closed when the test ends. */
export function keepAliveAgent(context: TestContext, maxSockets: number): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets });
  context.after(() => agent.destroy());
  return agent;
}
