/** Talks to the admin API of a running node, over HTTP or a unix socket. The command line's side of `routes.ts`. */
import type { IncomingMessage, RequestOptions } from "node:http";
import { parseTargetAddress } from "../base/address.ts";
import { parseJson } from "../base/bounded-json.ts";
import { ofThisSystem } from "../socket/abstract-socket.ts";
import type { TargetAddress } from "../base/address.ts";
import { isErrorCode, messageOf, PolarityError } from "../base/errors.ts";
import type { LinkView, ListenerView, NodeView, PeerView, ServiceView, SessionView } from "../node/view.ts";
import { http } from "../socket/node-http.ts";
import type { ServiceRequest } from "./service-request.ts";
import type { Readiness } from "./source.ts";

export interface AdminClientOptions {
  /** `http://HOST:PORT`, `unix:///path` or `unix:@name`; a port alone is one of 127.0.0.1. */
  readonly url: string;
  readonly token: string | undefined;
  /** For the whole of a request. */
  readonly timeoutMs: number;
}

/** Each call is one request; failures are `PolarityError`s, `ADMIN_UNREACHABLE` when nobody (or nobody fitting) answers. */
export class AdminClient {
  readonly #address: TargetAddress;
  readonly #token: string | undefined;
  readonly #timeoutMs: number;

  /** Throws `ADDRESS_INVALID`. */
  constructor(options: AdminClientOptions) {
    this.#address = ofThisSystem(parseTargetAddress)(options.url);
    if (this.#address.scheme === "tcp") {
      const message = `expected an admin URL such as http://127.0.0.1:8088, unix:///path or unix:@name (got ${options.url})`;
      throw new PolarityError("ADDRESS_INVALID", message);
    }
    this.#token = options.token?.trim();
    this.#timeoutMs = options.timeoutMs;
  }

  view(): Promise<NodeView> {
    return this.#call("GET", "/stats");
  }

  /** Answers also while the node is not ready. */
  readiness(): Promise<Readiness> {
    return this.#call("GET", "/healthz");
  }

  async services(): Promise<readonly ServiceView[]> {
    return (await this.#call<{ services: readonly ServiceView[] }>("GET", "/api/v1/services")).services;
  }

  async links(): Promise<readonly LinkView[]> {
    return (await this.#call<{ links: readonly LinkView[] }>("GET", "/api/v1/links")).links;
  }

  async nodes(): Promise<readonly PeerView[]> {
    return (await this.#call<{ nodes: readonly PeerView[] }>("GET", "/api/v1/nodes")).nodes;
  }

  async listeners(): Promise<readonly ListenerView[]> {
    return (await this.#call<{ listeners: readonly ListenerView[] }>("GET", "/api/v1/listeners")).listeners;
  }

  async sessions(): Promise<readonly SessionView[]> {
    return (await this.#call<{ sessions: readonly SessionView[] }>("GET", "/api/v1/sessions")).sessions;
  }

  /** `keep`: also after the node has started again. */
  async register(service: ServiceRequest, keep = false): Promise<void> {
    await this.#call("POST", "/api/v1/services", { ...service, keep });
  }

  async unregister(name: string): Promise<void> {
    await this.#call("DELETE", `/api/v1/services/${encodeURIComponent(name)}`);
  }

  /** `link`: a router's URL or name, or a link's id. */
  async setCost(link: string, cost: number): Promise<void> {
    await this.#call("POST", "/api/v1/links/cost", { link, cost });
  }

  /** Returns once draining has begun. */
  async drain(): Promise<void> {
    await this.#call("POST", "/api/v1/drain", {});
  }

  async reload(): Promise<void> {
    await this.#call("POST", "/api/v1/reload", {});
  }

  async #call<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
    let response: Response;
    try {
      response = await this.#exchange(method, path, body);
    } catch (error) {
      throw new PolarityError(
        "ADMIN_UNREACHABLE",
        `no node answers on ${this.#address.url}: ${reasonOf(error)}`,
        error,
      );
    }
    const { status, text } = response;
    const answer = parse(text);
    if (status >= 200 && status < 300 && (status === 204 || answer !== undefined)) return answer as Answer;
    if (isFailure(answer) && isErrorCode(answer.code)) throw new PolarityError(answer.code, answer.message);
    const message = `what answers on ${this.#address.url} is no admin API: ${method} ${path} gave status ${status}`;
    throw new PolarityError("ADMIN_UNREACHABLE", message);
  }

  async #exchange(method: string, path: string, body: unknown): Promise<Response> {
    const { place } = this.#address;
    const text = body === undefined ? undefined : JSON.stringify(body);
    const options: RequestOptions = {
      ...(place.kind === "unix" ? { socketPath: place.path } : { host: place.host, port: place.port }),
      method,
      path,
      agent: false,
      signal: AbortSignal.timeout(this.#timeoutMs),
      headers: {
        ...(this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }),
        ...(text === undefined ? {} : { "content-type": "application/json" }),
      },
    };
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      http.request(options, resolve).on("error", reject).end(text);
    });
    return { status: response.statusCode ?? 0, text: await collect(response) };
  }
}

interface Response {
  readonly status: number;
  readonly text: string;
}

/** More than any node's view; stops whatever else answers there from filling memory. */
const ANSWER_BYTES_MAX = 256 * 1024 * 1024;

async function collect(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX) throw new Error(`the answer is larger than ${ANSWER_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parse(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}

function isFailure(answer: unknown): answer is { code: string; message: string } {
  return (
    typeof answer === "object" &&
    answer !== null &&
    "code" in answer &&
    typeof answer.code === "string" &&
    "message" in answer &&
    typeof answer.message === "string"
  );
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ENOENT: "there is no such socket",
  EACCES: "permission denied",
  ENOTFOUND: "the host is not known",
  ECONNRESET: "the connection was reset",
};

function reasonOf(error: unknown): string {
  // Node has one error per address behind a name; they agree.
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  if (first instanceof Error && first.name === "TimeoutError") return "it took too long";
  if (first instanceof Error && first.cause instanceof Error && first.cause.name === "TimeoutError")
    return "it took too long";
  const code = first instanceof Error && "code" in first ? String(first.code) : "";
  return REASONS[code] ?? messageOf(first);
}
