/** A node that has links and nothing else, for tests: it writes down what it hears and can be waited on. */
import type { TestContext } from "node:test";
import { parseLinkAddress } from "../../src/base/address.ts";
import type { ByteSink, ByteStream } from "../../src/base/byte-stream.ts";
import { type Logger, silentLogger, systemClock } from "../../src/base/clock.ts";
import { PolarityError } from "../../src/base/errors.ts";
import { StreamRequest } from "../../src/base/upstream.ts";
import { Dialer } from "../../src/link/dialer.ts";
import type { LinkContext } from "../../src/link/link-context.ts";
import { DEFAULT_LINK_LIMITS, type LinkLimits } from "../../src/link/link-limits.ts";
import type { Link, LinkEvents, LinkState } from "../../src/link/link.ts";
import type { Preamble } from "../../src/link/preamble.ts";
import { QuietLog } from "../../src/base/quiet-log.ts";
import { DEFAULT_MUX_LIMITS, type MuxLimits, WindowBudget } from "../../src/mux/mux-limits.ts";
import type { Announcement } from "../../src/registry/announcement.ts";
import { systemNames } from "./names.ts";

export interface LinkNodeOptions {
  readonly offers?: readonly Announcement[];
  readonly limits?: Partial<LinkLimits>;
  readonly muxLimits?: Partial<MuxLimits>;
  readonly firstStreamId?: number;
  readonly logger?: Logger;
  /** What happens to streams that the peer opens; by default they are echoed. */
  readonly accept?: (preamble: Preamble, stream: ByteStream) => void;
}

export class LinkNode implements LinkEvents {
  readonly context: LinkContext;
  /** One word per event, in order. */
  readonly heard: string[] = [];
  readonly links = new Set<Link>();
  readonly offers = new Map<string, Announcement>();
  /** Why links closed, oldest first. */
  readonly ends: PolarityError[] = [];
  readonly #accept: (preamble: Preamble, stream: ByteStream) => void;
  #waiting: (() => void)[] = [];

  constructor(name: string, options: LinkNodeOptions = {}) {
    this.#accept = options.accept ?? ((_preamble, stream) => echo(stream));
    const { logger = silentLogger } = options;
    this.context = {
      node: name,
      instance: `${name}-1`,
      clock: systemClock,
      logger,
      quiet: new QuietLog(logger, systemClock),
      limits: { ...DEFAULT_LINK_LIMITS, ...options.limits },
      muxLimits: { ...DEFAULT_MUX_LIMITS, ...options.muxLimits },
      nodeWindowBudget: new WindowBudget(64 * 1024 * 1024),
      events: this,
      offers: () => options.offers ?? [],
      ...(options.firstStreamId === undefined ? {} : { firstStreamId: options.firstStreamId }),
    };
  }

  /** The newest link that is still there. */
  get link(): Link {
    const link = [...this.links].at(-1);
    if (link === undefined) throw new Error(`node ${this.context.node} has no link`);
    return link;
  }

  /** Resolves when `condition` holds; it is looked at after every event. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
  }

  /** Resolves when the node has a link that takes streams. */
  joinedOnce(): Promise<void> {
    return this.until(() => [...this.links].some((link) => link.state === "up"));
  }

  joined(link: Link): void {
    this.links.add(link);
    this.#hear(`joined ${link.peer.node}`);
  }

  stateChanged(_link: Link, state: LinkState): void {
    this.#hear(state);
  }

  offered(_link: Link, announcement: Announcement): void {
    this.offers.set(announcement.service, announcement);
    this.#hear(`offered ${announcement.service}`);
  }

  withdrawn(_link: Link, service: string): void {
    this.offers.delete(service);
    this.#hear(`withdrawn ${service}`);
  }

  costChanged(link: Link): void {
    this.#hear(`cost ${link.cost}`);
  }

  accepted(_link: Link, preamble: Preamble, stream: ByteStream): void {
    this.#hear(`accepted ${preamble.service} ${preamble.protocol} ${preamble.client}`);
    this.#accept(preamble, stream);
  }

  closed(link: Link, error: PolarityError): void {
    this.links.delete(link);
    this.ends.push(error);
    this.#hear(`closed ${error.code}`);
  }

  #hear(event: string): void {
    this.heard.push(event);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}

/** A link of a node that keeps to no rules of ours. */
export async function joinAs(context: TestContext, name: string, url: string): Promise<Link> {
  const node = new LinkNode(name);
  const dialer = new Dialer({
    address: parseLinkAddress(url),
    links: 1,
    cost: 0,
    token: undefined,
    tls: {},
    environment: {},
    names: systemNames,
    random: Math.random,
    context: node.context,
  });
  dialer.start();
  context.after(() => {
    dialer.stop();
    for (const link of dialer.links) link.close(new PolarityError("NODE_STOPPED", "the test is over"));
  });
  await node.joinedOnce();
  return node.link;
}

/** An announcement with nothing unusual about it. */
export function announce(service: string, more: Partial<Announcement> = {}): Announcement {
  return { service, weight: 1, protocol: "tcp", labels: {}, health: "up", ...more };
}

/** The reader's side of a stream: keeps what came and can be waited on. */
export class StreamReader implements ByteSink {
  readonly chunks: Buffer[] = [];
  bytes = 0;
  isEnded = false;
  error: PolarityError | undefined;
  /** How credit goes back; by default at once. */
  consume: (bytes: number) => void = () => {};
  drains = 0;
  #waiting: (() => void)[] = [];

  get text(): string {
    return Buffer.concat(this.chunks).toString("latin1");
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
  }

  /** Resolves with everything once the peer has half-closed; rejects if the stream is reset first. */
  async whole(): Promise<Buffer> {
    await this.until(() => this.isEnded || this.error !== undefined);
    if (this.error !== undefined) throw this.error;
    return Buffer.concat(this.chunks);
  }

  async reason(): Promise<PolarityError> {
    await this.until(() => this.error !== undefined);
    return this.error!;
  }

  data(chunk: Buffer): void {
    this.chunks.push(Buffer.from(chunk));
    this.bytes += chunk.length;
    this.consume(chunk.length);
    this.#wake();
  }

  end(): void {
    this.isEnded = true;
    this.#wake();
  }

  reset(error: PolarityError): void {
    this.error = error;
    this.#wake();
  }

  drain(): void {
    this.drains++;
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}

/** A reader that is the sink of `stream`. */
export function readerOf(stream: ByteStream): StreamReader {
  const reader = new StreamReader();
  reader.consume = (bytes) => stream.consumed(bytes);
  stream.sink = reader;
  return reader;
}

export interface OpenedStream {
  readonly stream: ByteStream;
  readonly reader: StreamReader;
}

/** Opens a stream that must open. */
export function openStream(link: Link, service: string, first = "", client = ""): OpenedStream {
  const reader = new StreamReader();
  const stream = link.open(new StreamRequest(service, "tcp", client), first, "", reader);
  if (stream === undefined) throw new Error(`no stream on a link that is ${link.state}`);
  reader.consume = (bytes) => stream.consumed(bytes);
  return { stream, reader };
}

/** Writes all of `chunks`, waiting whenever the stream says so, and half-closes. */
export async function writeAll(stream: ByteStream, reader: StreamReader, chunks: Iterable<Buffer>): Promise<void> {
  for (const chunk of chunks) {
    const seen = reader.drains;
    if (!stream.write(chunk)) await reader.until(() => reader.drains > seen || reader.error !== undefined);
    if (reader.error !== undefined) throw reader.error;
  }
  stream.end();
}

/** Sends back what comes, with backpressure, and ends when the peer does. */
export function echo(stream: ByteStream): void {
  let owed = 0;
  let full = false;
  stream.sink = {
    data(chunk) {
      // Credit waits while our own writes do, as between two sockets.
      full = !stream.write(chunk) || full;
      if (full) owed += chunk.length;
      else stream.consumed(chunk.length);
    },
    end: () => stream.end(),
    reset: () => {},
    drain() {
      full = false;
      stream.consumed(owed);
      owed = 0;
    },
  };
}

/** The refusal that tests use, as an app behind the node would cause it. */
export const REFUSAL = new PolarityError("TARGET_UNREACHABLE", "connect ECONNREFUSED 127.0.0.1:3000");
