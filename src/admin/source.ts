/** What the admin server asks of the node that it belongs to. */
import type { ServiceConfig } from "../config/node-config.ts";
import type { NodeView } from "../node/view.ts";

export interface Readiness {
  readonly ready: boolean;
  /** Why not, for people: `listener http://0.0.0.0:8001 is not bound`, `draining`; empty when it is ready. */
  readonly reasons: readonly string[];
}

export interface AdminSource {
  view(): NodeView;
  readiness(): Readiness;
  /** Adds a service to the running node, or puts another in place of one of the same name. Throws a `PolarityError`. */
  register(service: ServiceConfig): void;
  /** Throws a `PolarityError` when there is none of that name. */
  unregister(name: string): void;
  /** May end the process once it is done; the answer is sent before. */
  drain(): void | Promise<void>;
  /** Fails with a `PolarityError` when the new configuration is not valid; the old one stays. */
  reload(): Promise<void>;
}
