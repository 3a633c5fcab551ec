/**
 * Counters that the hot path increments, one object per service and one per listener.
 *
 * Fields are plain numbers on purpose: an increment is one store. Only errors by code go through a map, and its keys are
 * the error registry's, so it is bounded.
 */
import { RetryBudget } from "../balance/retry-budget.ts";
import type { ErrorCode, PolarityError } from "../base/errors.ts";
import { AppTally } from "./app-tally.ts";
import { DatagramCounters } from "./datagram-counters.ts";
import { ServerTallies } from "./server-tallies.ts";
import { LatencyHistogram } from "./latency-histogram.ts";

/** Counts that services and listeners share. */
class TrafficStatistics {
  /** HTTP requests, or connections of stream services. */
  requests = 0;
  /** Of those, how many are under way. */
  active = 0;
  /** From clients. */
  bytesIn = 0;
  /** To clients. */
  bytesOut = 0;
  /** Final HTTP statuses by class; index 0 is unused, 1 is 1xx (a 101), 5 is 5xx. */
  readonly statuses = new Float64Array(6);
  readonly #errors = new Map<ErrorCode, number>();
  #datagrams: DatagramCounters | undefined;

  /** Counts a final status by its class; anything outside of 100 to 599 counts as 5xx. */
  countStatus(status: number): void {
    const statusClass = status >= 100 && status < 600 ? Math.trunc(status / 100) : 5;
    this.statuses[statusClass] = this.statuses[statusClass]! + 1;
  }

  /** An HTTP request has ended: with an answer of this status (0: none), and perhaps an error. */
  countEnd(status: number, error: PolarityError | undefined): void {
    if (status > 0) this.countStatus(status);
    else if (error !== undefined) this.countStatus(error.status);
    if (error !== undefined) this.countError(error.code);
  }

  countError(code: ErrorCode): void {
    this.#errors.set(code, (this.#errors.get(code) ?? 0) + 1);
  }

  get errors(): ReadonlyMap<ErrorCode, number> {
    return this.#errors;
  }

  /** Of a udp listener, or of a service's udp targets here; made when it is asked for first. */
  get datagrams(): DatagramCounters {
    this.#datagrams ??= new DatagramCounters();
    return this.#datagrams;
  }

  get hasDatagrams(): boolean {
    return this.#datagrams !== undefined;
  }
}

export class ServiceStatistics extends TrafficStatistics {
  /** Client connections that stream services took, and upgraded HTTP connections. */
  connections = 0;
  /** Further offers that were tried after the first. */
  retries = 0;
  /** Retries and hedges that the budget did not allow. */
  retriesDenied = 0;
  /** Further offers that were asked while the first kept silent. */
  hedges = 0;
  /** Of those, how many answered first. */
  hedgesWon = 0;
  /** Requests of which another service got a copy. */
  mirrors = 0;
  /** Copies that were not made, or broken off: too many under way, or too long a body. */
  mirrorsDropped = 0;
  #servers: ServerTallies | undefined;
  #app: AppTally | undefined;
  /** What retries and hedges have to keep to. */
  readonly retryBudget = new RetryBudget();
  /** From a complete request head to the first byte of the response; for stream services, from accept to first byte back. */
  readonly latency = new LatencyHistogram();

  /** Of the app behind this node's own offer; made when it is asked for first. */
  get app(): AppTally {
    this.#app ??= new AppTally();
    return this.#app;
  }

  get hasApp(): boolean {
    return this.#app !== undefined;
  }

  /** Of one-to-N sessions, by server; made with the first. */
  get servers(): ServerTallies {
    this.#servers ??= new ServerTallies();
    return this.#servers;
  }

  get hasServers(): boolean {
    return this.#servers !== undefined;
  }
}

export class ListenerStatistics extends TrafficStatistics {
  /** Client connections accepted since the start. */
  connections = 0;
  /** Client connections open now. */
  connectionsOpen = 0;
  /** Client connections turned away by a limit. */
  connectionsRefused = 0;
  /** TLS handshakes that did not come about. */
  handshakesFailed = 0;
}
