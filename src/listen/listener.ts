/** The contract of a listener as its node sees it, and what every kind of listener is given. */
import type { Statistics } from "../analyze/meters.ts";
import type { Logger } from "../base/clock.ts";
import type { PolarityError } from "../base/errors.ts";
import type { Holding } from "../base/held-memory.ts";
import type { QuietLog } from "../base/quiet-log.ts";
import type { StreamProtocol, Upstream } from "../base/upstream.ts";
import type { ListenerStatistics } from "../registry/service-statistics.ts";
import type { ExchangeContext } from "../session/exchange-contract.ts";
import type { FanOutSideView } from "../session/fan-out-side.ts";
import type { HttpExchange } from "../session/http-exchange.ts";
import type { StreamSession } from "../session/stream-session.ts";
import type { ClientAddress } from "./server-socket.ts";

export interface ListenerContext {
  /** In [0, 1). */
  readonly random: () => number;
  readonly sessions: ExchangeContext;
  readonly logger: Logger;
  /** For what clients can cause again and again. */
  readonly quiet: QuietLog;
  /** The node's name, which stands in Via. */
  readonly node: string;
  /** Tells its process from others of that name, and is nobody's secret. */
  readonly instance: string;
}

/** One client conversation under way, as statistics show it. */
export interface ActiveSession {
  /** Unique while it lasts, within the listener. */
  readonly id: number;
  readonly client: string;
  readonly service: string;
  readonly protocol: StreamProtocol;
  /** Who serves it, once an offer was found. */
  readonly upstream: Upstream | undefined;
  /** On the context's clock. */
  readonly startedAt: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** What an analyzer found out about it. */
  readonly analysis?: Statistics | undefined;
  /** Of a one-to-N session. */
  readonly sides?: readonly FanOutSideView[] | undefined;
}

export interface Listener {
  /** The URL with the port that the system chose. */
  readonly url: string;
  readonly statistics: ListenerStatistics;
  /** Client connections and what is under way on them. */
  readonly connectionsOpen: number;
  readonly sessionsActive: number;
  sessions(max: number): ActiveSession[];
  /** What its sessions may hold; O(sessions). */
  holdings(): Iterable<Holding>;
  /** New clients are still let in, but each answer ends its connection, so that clients move elsewhere in their own time. */
  windDown(): void;
  /** Accepts no more; idle connections close now, busy ones when their work is done. */
  drain(): void;
  /** Ends everything now; returns how many sessions that cut off. */
  close(error: PolarityError): number;
  /** Time passes: connections past a deadline are ended. Called a few times a second. */
  sweep(now: number): void;
  /** An upstream fell silent: what may move elsewhere does. */
  upstreamSuspect(upstream: Upstream): void;
}

/** How one request is shown. */
export function exchangeSession(
  id: number,
  client: ClientAddress,
  { request, offer }: HttpExchange,
  bytesIn: number,
  bytesOut: number,
): ActiveSession {
  const { service, protocol } = request.stream;
  const { startedAt } = request;
  return { id, client: client.text, service, protocol, upstream: offer?.upstream, startedAt, bytesIn, bytesOut };
}

/** How a conversation in raw bytes is shown. */
export function activeSession({
  id,
  request,
  offer,
  sides,
  startedAt,
  bytesIn,
  bytesOut,
}: StreamSession): ActiveSession {
  const { client, service, protocol } = request;
  return { id, client, service, protocol, upstream: offer?.upstream, sides, startedAt, bytesIn, bytesOut };
}
