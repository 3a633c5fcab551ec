/**
 * Statistics of the Foo Protocol: messages by type, how often requests and answers come, and how long answers take.
 *
 * Messages count by their type, whichever side sends them; durations are of a client's REQ to the server's answer with the
 * same number. Lines that are no message are counted apart and are in no total.
 */
import { LatencyHistogram } from "../registry/latency-histogram.ts";
import type { Analyzer, Tap } from "./analyzer.ts";
import { ACK, FooScanner, type FooSink, type FooType, REQ } from "./foo-scanner.ts";
import { type Counter, type Meter, type Meters, percentiles, type Statistics } from "./meters.ts";
import { Outstanding } from "./outstanding.ts";

/** The order in which readers of the original find its figures. */
export const FOO_KEYS = Object.freeze([
  "msg_total",
  "msg_req",
  "msg_ack",
  "msg_nak",
  "request_rate_1s",
  "request_rate_10s",
  "response_rate_1s",
  "response_rate_10s",
] as const);

export function createFooAnalyzer(meters: Meters): Analyzer {
  return new FooAnalyzer(meters);
}

class FooAnalyzer implements Analyzer {
  readonly requests: Meter;
  readonly responses: Meter;
  readonly acks: Counter;
  readonly naks: Counter;
  readonly others: Counter;
  readonly durations: LatencyHistogram;

  constructor(meters: Meters) {
    this.requests = meters.meter("req");
    this.responses = meters.meter("response");
    this.acks = meters.counter("ack");
    this.naks = meters.counter("nak");
    this.others = meters.counter("other_lines");
    this.durations = meters.durations("answer");
  }

  open(): Tap {
    return new FooTap(this);
  }

  statistics(now: number): Statistics {
    const { requests, responses, acks, naks, others, durations } = this;
    return {
      msg_total: requests.total + responses.total,
      msg_req: requests.total,
      msg_ack: acks.total,
      msg_nak: naks.total,
      request_rate_1s: requests.rate(1_000, now),
      request_rate_10s: requests.rate(10_000, now),
      response_rate_1s: responses.rate(1_000, now),
      response_rate_10s: responses.rate(10_000, now),
      other_lines: others.total,
      answer_ms: percentiles(durations),
    };
  }
}

class FooTap implements Tap {
  readonly #analyzer: FooAnalyzer;
  readonly #client: FooScanner;
  readonly #server: FooScanner;
  readonly #outstanding = new Outstanding();
  readonly #durations = new LatencyHistogram();
  readonly #counts = { req: 0, ack: 0, nak: 0, other: 0 };
  #now = 0;

  constructor(analyzer: FooAnalyzer) {
    this.#analyzer = analyzer;
    const other = (): void => this.#other();
    const client: FooSink = { message: (type, seq) => this.#fromClient(type, seq), other };
    const server: FooSink = { message: (type, seq) => this.#fromServer(type, seq), other };
    this.#client = new FooScanner(client);
    this.#server = new FooScanner(server);
  }

  fromClient(bytes: Buffer, now: number): void {
    this.#now = now;
    this.#client.push(bytes);
  }

  fromServer(bytes: Buffer, now: number): void {
    this.#now = now;
    this.#server.push(bytes);
  }

  closed(now: number): void {
    this.#now = now;
    this.#client.end();
    this.#server.end();
  }

  statistics(): Statistics {
    const { req, ack, nak, other } = this.#counts;
    return { msg_req: req, msg_ack: ack, msg_nak: nak, other_lines: other, answer_ms: percentiles(this.#durations) };
  }

  #fromClient(type: FooType, seq: number): void {
    if (type === REQ) this.#outstanding.asked(seq, this.#now);
    this.#count(type);
  }

  #fromServer(type: FooType, seq: number): void {
    if (type !== REQ) {
      const took = this.#outstanding.answered(seq, this.#now);
      if (took !== undefined) {
        this.#durations.record(took);
        this.#analyzer.durations.record(took);
      }
    }
    this.#count(type);
  }

  #count(type: FooType): void {
    const analyzer = this.#analyzer;
    const now = this.#now;
    if (type === REQ) {
      this.#counts.req++;
      analyzer.requests.add(now);
      return;
    }
    analyzer.responses.add(now);
    if (type === ACK) {
      this.#counts.ack++;
      analyzer.acks.total++;
    } else {
      this.#counts.nak++;
      analyzer.naks.total++;
    }
  }

  #other(): void {
    this.#counts.other++;
    this.#analyzer.others.total++;
  }
}
