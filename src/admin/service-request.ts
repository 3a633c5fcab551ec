/** The body of `POST /api/v1/services`: a service's name and the settings that it would have in a configuration file. */
import { PolarityError } from "../base/errors.ts";
import type { ConfigInput, ServiceConfig } from "../config/node-config.ts";
import { formatPath } from "../config/problems.ts";
import { resolveConfig } from "../config/resolution.ts";

/** As JSON: `{ "name": "web", "target": "http://127.0.0.1:3000", "weight": 2 }`. */
export type ServiceRequest = { readonly name: string } & NonNullable<ConfigInput["services"]>[string];

export interface Registration {
  readonly service: ServiceConfig;
  /** What to keep over restarts; undefined: it ends with the node. */
  readonly kept: ServiceRequest | undefined;
}

/** The same, and whether it is to be kept: `{ "name": "web", "target": "http://127.0.0.1:3000", "keep": true }`. */
export function readRegistration(body: unknown): Registration {
  if (typeof body !== "object" || body === null || !("keep" in body)) {
    return { service: resolveServiceRequest(body), kept: undefined };
  }
  const { keep, ...request } = body;
  if (typeof keep !== "boolean") throw new PolarityError("CONFIG_INVALID", "keep: expected true or false");
  const service = resolveServiceRequest(request);
  return { service, kept: keep ? (request as ServiceRequest) : undefined };
}

/** Checks a body by the rules of the configuration file. Throws `CONFIG_INVALID` with what is wrong. */
export function resolveServiceRequest(body: unknown): ServiceConfig {
  if (typeof body !== "object" || body === null || !("name" in body) || typeof body.name !== "string") {
    throw new PolarityError(
      "CONFIG_INVALID",
      'expected an object such as {"name":"web","target":"http://127.0.0.1:3000"}',
    );
  }
  const { name, ...settings } = body;
  // A map, as names such as `__proto__` are names too.
  const services = Object.fromEntries([[name, settings]]);
  // Who may use the API may not have this node read its machine's files.
  const resolution = resolveConfig({ services }, { folder: "/", defaultName: "node", withoutFiles: true });
  if (resolution.kind === "invalid") {
    const problems = resolution.problems.map(({ path, message }) => {
      const place = formatPath(path.slice(2));
      return place === "" ? message : `${place}: ${message}`;
    });
    throw new PolarityError("CONFIG_INVALID", `service ${JSON.stringify(name)}: ${problems.join("; ")}`);
  }
  const service = resolution.config.services[0];
  if (service === undefined)
    throw new PolarityError("CONFIG_INVALID", `service ${JSON.stringify(name)} has no settings`);
  return service;
}
