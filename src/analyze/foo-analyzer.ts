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
  readonly #counts = new FooCounts();
  readonly #durations = new LatencyHistogram();
  readonly #client: FooScanner;
  readonly #server: FooScanner;
  readonly #fromClient: FooSide;
  readonly #fromServer: FooSide;

  constructor(analyzer: FooAnalyzer) {
    this.#analyzer = analyzer;
    const outstanding = new Outstanding();
    this.#fromClient = new FooSide(analyzer, outstanding, this.#durations, true);
    this.#fromServer = new FooSide(analyzer, outstanding, this.#durations, false);
    this.#client = new FooScanner(this.#fromClient);
    this.#server = new FooScanner(this.#fromServer);
  }

  fromClient(bytes: Buffer, now: number): void {
    this.#fromClient.now = now;
    this.#client.push(bytes);
    this.#take(this.#fromClient.counts, now);
  }

  fromServer(bytes: Buffer, now: number): void {
    this.#fromServer.now = now;
    this.#server.push(bytes);
    this.#fromServer.flush();
    this.#take(this.#fromServer.counts, now);
  }

  closed(now: number): void {
    this.#client.end();
    this.#server.end();
    this.#take(this.#fromClient.counts, now);
    this.#take(this.#fromServer.counts, now);
  }

  statistics(): Statistics {
    const { req, ack, nak, other } = this.#counts;
    return { msg_req: req, msg_ack: ack, msg_nak: nak, other_lines: other, answer_ms: percentiles(this.#durations) };
  }

  /** Once for each slice, as a message costs little more than to be found. */
  #take(found: FooCounts, now: number): void {
    const { req, ack, nak, other } = found;
    const counts = this.#counts;
    const analyzer = this.#analyzer;
    if (req > 0) {
      counts.req += req;
      analyzer.requests.add(now, req);
    }
    if (ack + nak > 0) {
      counts.ack += ack;
      counts.nak += nak;
      analyzer.responses.add(now, ack + nak);
      analyzer.acks.total += ack;
      analyzer.naks.total += nak;
    }
    counts.other += other;
    analyzer.others.total += other;
    found.clear();
  }
}

class FooCounts {
  req = 0;
  ack = 0;
  nak = 0;
  other = 0;

  clear(): void {
    this.req = 0;
    this.ack = 0;
    this.nak = 0;
    this.other = 0;
  }
}

/** What one side says within a slice. */
class FooSide implements FooSink {
  readonly counts = new FooCounts();
  now = 0;
  #took = 0;
  #tookTimes = 0;
  readonly #analyzer: FooAnalyzer;
  readonly #outstanding: Outstanding;
  readonly #durations: LatencyHistogram;
  readonly #isClient: boolean;

  constructor(analyzer: FooAnalyzer, outstanding: Outstanding, durations: LatencyHistogram, isClient: boolean) {
    this.#analyzer = analyzer;
    this.#outstanding = outstanding;
    this.#durations = durations;
    this.#isClient = isClient;
  }

  message(type: FooType, seq: number): void {
    if (type === REQ) {
      this.counts.req++;
      if (this.#isClient) this.#outstanding.asked(seq, this.now);
      return;
    }
    if (type === ACK) this.counts.ack++;
    else this.counts.nak++;
    if (this.#isClient) return;
    const took = this.#outstanding.answered(seq, this.now);
    if (took === undefined) return;
    if (took !== this.#took) this.flush();
    this.#took = took;
    this.#tookTimes++;
  }

  /** Requests that came together are mostly answered together: durations that are the same are recorded as one. */
  flush(): void {
    this.#durations.recordMany(this.#took, this.#tookTimes);
    this.#analyzer.durations.recordMany(this.#took, this.#tookTimes);
    this.#tookTimes = 0;
  }

  other(): void {
    this.counts.other++;
  }
}
