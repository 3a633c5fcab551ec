/** A client whose request is exchanged in a `SessionWorld`: what it hears, one word each. */
import type { PolarityError } from "../../src/base/errors.ts";
import { StreamRequest } from "../../src/base/upstream.ts";
import type { ResponseHead } from "../../src/http/response-head.ts";
import type { ExchangeHost } from "../../src/session/exchange-contract.ts";
import { DEFAULT_POLICY, type ExchangePolicy } from "../../src/session/exchange-policy.ts";
import { createExchange } from "../../src/session/mirroring.ts";
import type { Affinity } from "../../src/registry/affinity.ts";
import type { SessionWorld } from "./scripted-upstream.ts";

export const HEAD = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

/** The client's connection: what it hears, one word each. */
export class ScriptedClient implements ExchangeHost {
  readonly heard: string[] = [];
  body = "";
  error: PolarityError | undefined;
  /** Whether it takes more at once. */
  room = true;

  interim(head: ResponseHead): boolean {
    this.heard.push(`interim ${head.status}`);
    return this.room;
  }
  response(head: ResponseHead, body: Buffer): boolean {
    this.heard.push(`response ${head.status}`);
    this.body += body.toString("latin1");
    return this.room;
  }
  responseBody(chunk: Buffer): boolean {
    this.body += chunk.toString("latin1");
    return this.room;
  }
  responseEnded(): void {
    this.heard.push("ended");
  }
  failed(error: PolarityError): void {
    this.error = error;
    this.heard.push(`failed ${error.code}`);
  }
  requestDrained(): void {
    this.heard.push("drained");
  }
}

export interface RequestOptions {
  readonly method?: string;
  readonly waitMs?: number;
  readonly upgrade?: boolean;
  readonly policy?: Partial<ExchangePolicy>;
  readonly affinity?: Affinity;
}

export function begin(
  world: SessionWorld,
  { method = "GET", waitMs = 0, upgrade = false, policy = {}, affinity }: RequestOptions = {},
) {
  const client = new ScriptedClient();
  const exchange = createExchange(world.context, client, {
    stream: new StreamRequest("web", "http/1.1", "client:1"),
    node: undefined,
    method,
    headStart: HEAD.slice(0, 5),
    headEnding: HEAD.slice(5),
    upgrade,
    responseHeadBytesMax: 1000,
    offerDeadline: world.now + waitMs,
    startedAt: world.now,
    policy: { ...DEFAULT_POLICY, ...policy },
    affinity,
    journal: undefined,
  });
  exchange.start();
  return { client, exchange };
}
