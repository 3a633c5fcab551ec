/**
 * Dialling over one node: opens a stream to a service and says, when that fails, why.
 *
 * A node waits for links and offers that may yet come; whoever dials wants an answer in a time of its own. So failures of
 * links are remembered here, to tell "nobody offers it" from "the router cannot be reached" or "does not let us in".
 */
import { systemClock } from "../base/clock.ts";
import { type ErrorCode, PolarityError } from "../base/errors.ts";
import { StreamRequest, type StreamProtocol } from "../base/upstream.ts";
import type { NodeObserver } from "../node/node-observer.ts";
import type { PolarityNode } from "../node/node.ts";
import type { ServiceAddress } from "./service-address.ts";
import type { StreamDuplex } from "./stream-duplex.ts";

/** Routers are asked to answer a little before our own time is up, since they know more. */
const ROUTER_SHARE = 0.8;
const ROUTER_LEAD_MS = 150;

const LINK_BROKE: ReadonlySet<ErrorCode> = new Set(["LINK_LOST", "LINK_TIMEOUT", "LINK_DRAINING"]);

/** What a dial needs to know besides whom. */
export interface DialRequest {
  readonly address: ServiceAddress;
  readonly protocol: StreamProtocol;
  /** As it was asked for, and how much of that is left. */
  readonly timeoutMs: number;
  readonly leftMs: number;
}

export class DialRoute {
  readonly #node: PolarityNode;
  /** What the newest attempt at each router came to; undefined: a link, now or before. */
  readonly #failures = new Map<string, PolarityError | undefined>();
  readonly #urls: readonly string[];
  readonly #links = new Set<string>();
  /** Dials under way, by what ends them. */
  readonly #pending = new Set<(error: PolarityError) => void>();
  /** Dials that wait for the first link. */
  readonly #waiting = new Set<() => void>();

  /** `urls`: the routers that the node links to; with none, only what joins it is reached. */
  constructor(createNode: (observer: Partial<NodeObserver>) => PolarityNode, urls: readonly string[]) {
    this.#urls = urls;
    this.#node = createNode({
      linkUp: ({ id, dialled }) => {
        if (dialled) this.#links.add(id);
        this.#failures.clear();
        for (const begin of this.#waiting) queueMicrotask(begin);
        this.#waiting.clear();
      },
      linkDown: ({ id }) => void this.#links.delete(id),
      dialFailed: (url, error) => {
        this.#failures.set(url, error);
        const hopeless = this.#hopeless;
        if (hopeless !== undefined) for (const end of this.#pending) end(hopeless);
      },
    });
  }

  get node(): PolarityNode {
    return this.#node;
  }

  /** Opens a stream under `duplex`, which is destroyed with the reason if that fails. */
  open(duplex: StreamDuplex, { address, protocol, timeoutMs, leftMs }: DialRequest): void {
    if (duplex.destroyed) return;
    const hopeless = this.#hopeless;
    if (hopeless !== undefined) {
      duplex.destroy(hopeless);
      return;
    }
    const end = (error: PolarityError): void => {
      duplex.destroy(error);
    };
    const timer = setTimeout(() => end(this.#late(address, timeoutMs)), leftMs);
    this.#pending.add(end);
    const settled = (): void => {
      clearTimeout(timer);
      this.#pending.delete(end);
    };
    duplex.once("connect", settled).once("close", settled);
    const until = systemClock.now() + leftMs;
    this.#whenLinked(duplex, () => this.#dial(duplex, address, protocol, until));
  }

  /** Dials still waiting for a link. */
  get waiting(): number {
    return this.#waiting.size;
  }

  #whenLinked(duplex: StreamDuplex, begin: () => void): void {
    if (this.#links.size > 0 || this.#urls.length === 0) {
      begin();
    } else if (!duplex.destroyed) {
      this.#waiting.add(begin);
      // While a router is away for long, dials that have ended must not pile up.
      duplex.once("close", () => this.#waiting.delete(begin));
    }
  }

  #dial(duplex: StreamDuplex, address: ServiceAddress, protocol: StreamProtocol, until: number): void {
    if (duplex.destroyed) return;
    const { machine, service } = address;
    const left = until - systemClock.now();
    const waitMs = Math.max(0, Math.floor(Math.min(left * ROUTER_SHARE, left - ROUTER_LEAD_MS)));
    const request = new StreamRequest(service, protocol, "", machine, waitMs, "may", [], true);
    const { sink } = duplex;
    const stream = this.#node.dial(request, {
      data: (chunk) => sink.data(chunk),
      end: () => sink.end(),
      drain: () => sink.drain(),
      opened: () => sink.opened?.(),
      reset: (error) => {
        // Nothing was asked of anybody yet: another link may carry it, once the node knows that this one is gone.
        if (LINK_BROKE.has(error.code) && duplex.detach()) {
          setImmediate(() => this.#whenLinked(duplex, () => this.#dial(duplex, address, protocol, until)));
        } else sink.reset(this.#explained(error));
      },
    });
    duplex.attach(stream);
  }

  /** Ends what is being dialled. */
  close(error: PolarityError): void {
    for (const end of this.#pending) end(error);
  }

  /** Every router has said that it does not let us in: it will say so again. */
  get #hopeless(): PolarityError | undefined {
    if (this.#links.size > 0 || this.#urls.length === 0) return undefined;
    const failures = this.#urls.map((url) => this.#failures.get(url));
    return failures.every((error) => error?.code === "AUTH_FAILED") ? failures[0] : undefined;
  }

  /** A node that has no link knows of nobody; that is not the reason. */
  #explained(error: PolarityError): PolarityError {
    if (error.code !== "NO_OFFER" || this.#links.size > 0) return error;
    return this.#linkFailure ?? error;
  }

  #late({ machine, service }: ServiceAddress, timeoutMs: number): PolarityError {
    const failure = this.#links.size > 0 ? undefined : this.#linkFailure;
    if (failure !== undefined) return failure;
    const where = machine === undefined ? "" : ` of machine "${machine}"`;
    const detail = this.#links.size > 0 || this.#urls.length === 0 ? "" : `: no link to ${this.#urls.join(", ")} yet`;
    return new PolarityError(
      "DIAL_TIMEOUT",
      `service "${service}"${where} not reached within ${timeoutMs} ms${detail}`,
    );
  }

  get #linkFailure(): PolarityError | undefined {
    const [entry] = this.#failures;
    const error = entry?.[1];
    if (entry === undefined || error === undefined) return undefined;
    return new PolarityError(error.code, `no link to ${entry[0]}: ${error.message}`, error);
  }
}
