/** Keeps the registry true to what cranker connectors serve. */
import type { PolarityError } from "../base/errors.ts";
import type { CrankerConnector } from "../cranker/connector.ts";
import type { CrankerEvents } from "../cranker/cranker-gate.ts";
import type { Registry } from "../registry/registry.ts";

export class CrankerOffers implements CrankerEvents {
  readonly #registry: Registry;

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  joined(connector: CrankerConnector): PolarityError | undefined {
    const { identity, service, route, domain, instance } = connector;
    // Its first socket is not there yet.
    this.#registry.setUsable(connector, false, "joining");
    const added = this.#registry.add(connector, identity, 0, {
      service,
      weight: 1,
      protocol: "http/1.1",
      labels: { route, domain, connectorInstanceID: instance },
      health: "up",
      byPath: true,
    });
    return added.kind === "refused" ? added.error : undefined;
  }

  usable(connector: CrankerConnector, usable: boolean, why: string): void {
    this.#registry.setUsable(connector, usable, why);
  }

  left(connector: CrankerConnector): void {
    this.#registry.removeUpstream(connector);
  }
}
