/**
 * The HTTP face of `foo-proxy`, as the original had it: figures and health, for whoever asks, and nothing else.
 *
 * The JSON has exactly the original's eight keys, since its readers may be strict; what else is known stands in the Prometheus
 * text, and in the admin API.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { internalError } from "../base/internal-error.ts";
import { FOO_KEYS } from "../analyze/foo-analyzer.ts";
import type { Statistics } from "../analyze/meters.ts";
import type { ListenerAddress } from "../base/address.ts";
import { systemClock } from "../base/clock.ts";
import { createBoundedServer } from "./bounded-server.ts";
import { listenOn } from "./listening.ts";

export interface FooSource {
  statistics(): Statistics;
  /** Why the server cannot be reached; undefined when it can. */
  unreachable(): Promise<string | undefined>;
}

export interface FooEndpoints {
  /** As bound. */
  readonly address: string;
  close(): Promise<void>;
}

const JSON_TYPE = "application/json";
const PROMETHEUS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

export async function startFooEndpoints(address: ListenerAddress, source: FooSource): Promise<FooEndpoints> {
  const { server } = createBoundedServer(systemClock);
  server.on("request", (request, response) => {
    respond(source, request, response).catch((thrown: unknown) => {
      internalError("admin", thrown);
      response.destroy();
    });
  });
  const bound = await listenOn(server, address);
  return { address: bound, close: () => close(server) };
}

/** The eight figures, in the original's order. */
export function fooFigures(statistics: Statistics): Record<string, number> {
  return Object.fromEntries(FOO_KEYS.map((key) => [key, numberOf(statistics[key])]));
}

async function respond(source: FooSource, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = (request.url ?? "").split("?", 1)[0];
  // By any method, as the original; what a request brings with it is not read.
  if (path === "/stats" || path === "/metrics") {
    response.setHeader("vary", "accept");
    if (wantsPrometheus(request.headers.accept ?? "")) {
      sendText(response, 200, PROMETHEUS_TYPE, fooMetrics(source.statistics()));
    } else send(response, 200, fooFigures(source.statistics()));
  } else if (path === "/health" || path === "/heartbeat" || path === "/status") {
    const reason = await source.unreachable();
    if (reason === undefined) send(response, 200, { status: "OK!" });
    else send(response, 503, { status: "unavailable", reason });
  } else send(response, 404, { status: "not found" });
}

function send(response: ServerResponse, status: number, body: unknown): void {
  sendText(response, status, JSON_TYPE, JSON.stringify(body));
}

function sendText(response: ServerResponse, status: number, type: string, body: string): void {
  const length = Buffer.byteLength(body);
  response.writeHead(status, { "content-type": type, "content-length": length, "cache-control": "no-store" });
  response.end(body);
}

/** Whether the client would rather have text than JSON; one that takes anything gets JSON. */
export function wantsPrometheus(accept: string): boolean {
  let text = 0;
  let json = 0;
  for (const range of accept.toLowerCase().split(",")) {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim());
    const given = parameters.find((parameter) => parameter.startsWith("q="));
    const quality = given === undefined ? 1 : Number(given.slice(2));
    if (type === "text/plain" || type === "application/openmetrics-text") text = Math.max(text, quality);
    else if (type === JSON_TYPE || type === "application/*") json = Math.max(json, quality);
  }
  return text > json;
}

/** Prometheus text; its names are the keys of the JSON. */
export function fooMetrics(statistics: Statistics): string {
  const lines: string[] = [];
  const add = (name: string, type: "counter" | "gauge", help: string, value: number): void => {
    lines.push(`# HELP foo_${name} ${help}`, `# TYPE foo_${name} ${type}`, `foo_${name} ${value}`);
  };
  for (const key of FOO_KEYS) {
    const isTotal = key.startsWith("msg_");
    add(key, isTotal ? "counter" : "gauge", HELP[key], numberOf(statistics[key]));
  }
  add("other_lines_total", "counter", "Lines that are no message.", numberOf(statistics["other_lines"]));
  const answers = statistics["answer_ms"];
  if (typeof answers === "object" && answers !== null) {
    lines.push("# HELP foo_answer_seconds From a REQ to its answer.", "# TYPE foo_answer_seconds summary");
    for (const [name, quantile] of [
      ["p50", "0.5"],
      ["p90", "0.9"],
      ["p99", "0.99"],
    ] as const) {
      const milliseconds = answers[name];
      if (typeof milliseconds === "number")
        lines.push(`foo_answer_seconds{quantile="${quantile}"} ${milliseconds / 1000}`);
    }
    lines.push(`foo_answer_seconds_sum ${numberOf(answers["sum"]) / 1000}`);
    lines.push(`foo_answer_seconds_count ${numberOf(answers["count"])}`);
  }
  return `${lines.join("\n")}\n`;
}

const HELP: Readonly<Record<(typeof FOO_KEYS)[number], string>> = {
  msg_total: "Messages of any type.",
  msg_req: "REQ messages.",
  msg_ack: "ACK messages.",
  msg_nak: "NAK messages.",
  request_rate_1s: "REQ a second, over the last second.",
  request_rate_10s: "REQ a second, over the last ten seconds.",
  response_rate_1s: "ACK and NAK a second, over the last second.",
  response_rate_10s: "ACK and NAK a second, over the last ten seconds.",
};

function numberOf(value: unknown): number {
  return typeof value === "number" ? value : 0;
}

async function close(server: Server): Promise<void> {
  const closed = Promise.withResolvers<void>();
  server.close(() => closed.resolve());
  server.closeAllConnections();
  await closed.promise;
}
