/**
 * What keeps a node that has just started from being ready: services that its listeners name and that nobody offers yet.
 *
 * Connectors come back to a router that was restarted within seconds of each other. A balancer that sent clients there at
 * once would let them wait, or lose them. The wait is bounded, because a service may never be offered. Once over, it stays
 * over: a service that goes away later is told by each request, and takes no router out of the balancer.
 */
import type { ListenerConfig } from "../config/node-config.ts";
import type { Registry } from "../registry/registry.ts";

/** The service that stands for all others: any offer will do. */
const ANY = "*";

export class FirstOffers {
  readonly #registry: Registry;
  readonly #until: number;
  readonly #services: ReadonlySet<string>;
  #over = false;

  /** `until`: when waiting ends whatever is missing, on the node's clock. */
  constructor(registry: Registry, listeners: readonly ListenerConfig[], until: number) {
    this.#registry = registry;
    this.#until = until;
    this.#services = new Set(listeners.flatMap(servicesOf));
  }

  /** The services that are waited for; empty from the first time on at which nothing was missing or time was up. */
  missing(now: number): readonly string[] {
    if (this.#over) return [];
    const missing = now < this.#until ? [...this.#services].filter((service) => !this.#offered(service)) : [];
    this.#over = missing.length === 0;
    return missing;
  }

  #offered(service: string): boolean {
    if (this.#registry.usable(service)) return true;
    return service === ANY && this.#registry.services().some(({ offers }) => offers.length > 0);
  }
}

/** Mirrors are left out: no client waits for them. */
function servicesOf({ service, routes }: ListenerConfig): string[] {
  const routed = routes.flatMap((route) => [route.service, ...route.split.map((share) => share.service)]);
  const named = [service ?? "", ...routed].filter((name) => name !== "");
  return named.length > 0 || routes.length > 0 ? named : [ANY];
}
