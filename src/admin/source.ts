/** What the admin server asks of the node that it belongs to. */
import type { ServiceConfig } from "../config/node-config.ts";
import type { NodeView } from "../node/view.ts";
import type { ServiceRequest } from "./service-request.ts";

export interface Readiness {
  readonly ready: boolean;
  /** Why not, for people: `listener http://0.0.0.0:8001 is not bound`, `draining`; empty when it is ready. */
  readonly reasons: readonly string[];
}

export interface AdminSource {
  view(): NodeView;
  readiness(): Readiness;
  /**
   * Adds a service to the running node, or puts another in place of one that was registered. `keep`: what to register again
   * when the node starts the next time. Throws a `PolarityError`; NAME_TAKEN where the configuration has one of that name.
   */
  register(service: ServiceConfig, keep: ServiceRequest | undefined): void;
  /** Throws a `PolarityError` when none of that name was registered. */
  unregister(name: string): void;
  /** Changes what links to a router cost that this node dialled. Throws LINK_UNKNOWN. */
  setCost(link: string, cost: number): void;
  /** May end the process once it is done; the answer is sent before. */
  drain(): void | Promise<void>;
  /** Fails with a `PolarityError` when the new configuration is not valid; the old one stays. */
  reload(): Promise<void>;
}
