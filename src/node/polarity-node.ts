/** A node as its program sees it, and what it needs of the program. */
import type { ByteSink, ByteStream } from "../base/byte-stream.ts";
import type { Clock, Logger } from "../base/clock.ts";
import type { StreamRequest } from "../base/upstream.ts";
import type { NodeConfig, ServiceConfig } from "../config/node-config.ts";
import type { Target } from "../target/target.ts";
import type { ServedService } from "./local-services.ts";
import type { NodeObserver } from "./node-observer.ts";
import type { AnalysisView, NodeView, Readiness } from "./view.ts";

export interface NodeEnvironment {
  readonly logger: Logger;
  readonly clock: Clock;
  /** Of the program, for statistics. */
  readonly version: string;
  /** Who is told of links and offers as they come and go. */
  readonly observer?: NodeObserver | undefined;
  /** The addresses of a host; left out, the system says. */
  readonly resolve?: (host: string) => Promise<readonly string[]>;
}

export interface PolarityNode {
  /** Binds what listens and begins to dial. Throws ADDRESS_IN_USE, INSECURE_LISTENER, NAME_TAKEN. */
  start(): Promise<void>;
  /** Ends in order within the configured time; `cutOff` is how much work had to be cut off. */
  drain(): Promise<{ readonly cutOff: number }>;
  /** How long a drain takes at most, by the configuration in force. */
  readonly drainMsMax: number;
  /** Ends now. Idempotent. */
  stop(): Promise<void>;
  /** Takes another configuration; on an error the old one stays. The node's name cannot change. */
  reload(config: NodeConfig): Promise<void>;
  register(service: ServiceConfig): void;
  /** Offers a service that `target` serves, within this program. */
  serve(service: ServedService, target: Target): void;
  unregister(name: string): void;
  /** What the links to a router cost, by its URL or name or by a link's id, until the next reload. Throws LINK_UNKNOWN. */
  setCost(link: string, cost: number): void;
  view(): NodeView;
  /** The part of it that analyzers found out. */
  analyses(): readonly AnalysisView[];
  readiness(): Readiness;
  /** URLs with the ports that the system chose, in the order of the configuration. */
  readonly addresses: { readonly links: readonly string[]; readonly listeners: readonly string[] };
  /** A stream of raw bytes to a service; waits for an offer for `waitMs`. Rejects with why there is none. */
  open(service: string, node: string | undefined, waitMs: number): Promise<ByteStream>;
  /** A stream for `request`, to be written to at once; `sink` hears what becomes of it, perhaps within the call. */
  dial(request: StreamRequest, sink: ByteSink): ByteStream;
}
