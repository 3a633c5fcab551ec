/**
 * The accepting half of relaying: streams that a peer asks this node to pass on to whoever offers the service here.
 *
 * Each is a session like a listener's, except that its client is a stream of a link, its bytes pass as they are in any
 * protocol, and it goes only where somebody is known to offer the service. It carries the nodes that it has passed: one
 * that comes here again, or has come too far, is refused, so that no stream runs in a ring.
 */
import type { ByteSink, ByteStream } from "../base/byte-stream.ts";
import { PolarityError } from "../base/errors.ts";
import type { Holding } from "../base/held-memory.ts";
import type { QuietLog } from "../base/quiet-log.ts";
import { StreamRequest, type Upstream } from "../base/upstream.ts";
import { type ActiveSession, activeSession } from "../listen/listener.ts";
import type { LinkPeer } from "../link/link.ts";
import { payerOf } from "../link/link-holders.ts";
import type { Preamble } from "../link/preamble.ts";
import { OfferWaiters } from "../registry/offer-waiters.ts";
import { ListenerStatistics } from "../registry/service-statistics.ts";
import type { SessionContext } from "../session/offer-seeker.ts";
import { StreamSession, type StreamSessionEvents } from "../session/stream-session.ts";

/** What stands in the place of a listener's URL in statistics and logs. */
export const RELAY_LISTENER = "relay";

/** Flows of datagrams do not end by themselves. While the node drains, they may go on here for so long, then elsewhere. */
const DATAGRAMS_DRAIN_MS = 1_000;

/** Waiting places of their own, so that peers that ask for what nobody offers leave those of listeners alone. */
const WAITING_MAX = 16_384;

export class RelayedSessions implements StreamSessionEvents {
  readonly statistics = new ListenerStatistics();
  readonly #context: SessionContext;
  readonly #quiet: QuietLog;
  readonly #sessions = new Map<StreamSession, string>();
  readonly #instance: string;
  readonly #hopsMax: number;
  /** Since when, on the context's clock. */
  #drainingSince: number | undefined;

  /** `instance`: of this node. `hopsMax`: links that a stream may take, the one that it came by included. */
  constructor(sessions: SessionContext, instance: string, hopsMax: number, quiet: QuietLog) {
    this.#instance = instance;
    this.#hopsMax = hopsMax;
    this.#context = {
      registry: sessions.registry,
      waiters: new OfferWaiters(sessions.registry, WAITING_MAX),
      clock: sessions.clock,
      fanOuts: sessions.fanOuts,
      noConnector: false,
      mayStillLearn: true,
    };
    this.#quiet = quiet;
  }

  get active(): number {
    return this.#sessions.size;
  }

  get sessionsActive(): number {
    return this.#sessions.size;
  }

  get waiting(): number {
    return this.#context.waiters.size;
  }

  /** Passes on the stream that a peer opened. */
  accept(opener: LinkPeer, preamble: Preamble, stream: ByteStream): void {
    const { service, protocol, client, node, waitMs, via, confirm } = preamble;
    const refusal = this.#refusal(via);
    if (refusal !== undefined) {
      stream.reset(refusal);
      return;
    }
    this.statistics.connections++;
    this.statistics.connectionsOpen++;
    const peer = opener.node;
    const request = new StreamRequest(service, protocol, client, node, waitMs, "done", via, confirm);
    request.payer = payerOf(opener);
    request.payerPart = opener.instance;
    const events: StreamSessionEvents = confirm
      ? { opened: () => stream.confirm?.(), finished: (session, error) => this.finished(session, error) }
      : this;
    const session = new StreamSession(this.#context, stream, request, node, waitMs, this.statistics, events);
    stream.sink = new RelayedClient(session, peer);
    this.#sessions.set(session, peer);
    session.start();
  }

  holdings(): Iterable<Holding> {
    return this.#sessions.keys();
  }

  sessions(max: number): ActiveSession[] {
    return [...this.#sessions.keys().take(max)].map(activeSession);
  }

  /** An upstream fell silent: what may be asked elsewhere is. */
  upstreamSuspect(upstream: Upstream): void {
    for (const session of this.#sessions.keys()) if (session.offer?.upstream === upstream) session.upstreamSuspect();
  }

  tick(now: number): void {
    this.#context.waiters.tick(now);
    if (this.#drainingSince !== undefined && now - this.#drainingSince >= DATAGRAMS_DRAIN_MS) this.#endDatagrams();
  }

  /** Takes no more; what is under way goes on. */
  drain(): void {
    this.#drainingSince ??= this.#context.clock.now();
  }

  #endDatagrams(): void {
    for (const session of this.#sessions.keys()) {
      if (session.request.protocol === "udp") session.abort(new PolarityError("LINK_DRAINING", STOPPING));
    }
  }

  /** Ends everything now; returns how many sessions that cut off. */
  close(error: PolarityError): number {
    this.drain();
    const cut = this.#sessions.size;
    for (const session of this.#sessions.keys()) session.abort(error);
    this.#context.waiters.close();
    return cut;
  }

  #refusal(via: readonly string[]): PolarityError | undefined {
    if (this.#drainingSince !== undefined) return new PolarityError("LINK_DRAINING", STOPPING);
    if (via.includes(this.#instance)) return new PolarityError("NO_OFFER", "the stream has been here before");
    if (Math.max(1, via.length) < this.#hopsMax) return undefined;
    return new PolarityError(
      "NO_OFFER",
      `the stream has taken ${this.#hopsMax} links already, and no more are allowed`,
    );
  }

  /** StreamSessionEvents */
  finished(session: StreamSession, error: PolarityError | undefined): void {
    const peer = this.#sessions.get(session);
    this.#sessions.delete(session);
    this.statistics.connectionsOpen--;
    if (error === undefined || error.code === "CLIENT_GONE") return;
    const { service, client } = session.request;
    const fields = { listener: RELAY_LISTENER, service, client, peer, code: error.code };
    this.#quiet.log(`relayed ${peer} ${service} ${error.code}`, "warn", fields, error.message);
  }
}

const STOPPING = "it is stopping and relays nothing more";

/** The peer's side of a session: whatever breaks there, for the service it is a client that left. */
class RelayedClient implements ByteSink {
  readonly #session: StreamSession;
  readonly #peer: string;

  constructor(session: StreamSession, peer: string) {
    this.#session = session;
    this.#peer = peer;
  }

  data(chunk: Buffer): void {
    this.#session.clientData(chunk);
  }

  end(): void {
    this.#session.clientEnded();
  }

  reset(error: PolarityError): void {
    this.#session.clientReset(new PolarityError("CLIENT_GONE", `node "${this.#peer}": ${error.message}`, error));
  }

  drain(): void {
    this.#session.clientDrained();
  }
}
