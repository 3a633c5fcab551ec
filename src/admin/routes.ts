/** The paths of the admin API. Access was decided before a handler runs; what a handler throws becomes `{code, message}`. */
import type { FastifyInstance } from "fastify";
import type { Logger } from "../base/clock.ts";
import { messageOf } from "../base/errors.ts";
import { readRegistration } from "./service-request.ts";
import { readLinkCost } from "./link-cost-request.ts";
import type { AdminSource } from "./source.ts";

/** Paths that answer everybody. */
export const OPEN_PATHS: ReadonlySet<string> = new Set(["/livez", "/readyz", "/healthz"]);

export function addRoutes(app: FastifyInstance, source: AdminSource, logger: Logger): void {
  addHealthRoutes(app, source);

  app.get("/stats", () => source.view());
  app.get("/metrics", async (_request, reply) => {
    // Loaded with the first scrape: a node starts sooner without.
    const { METRICS_CONTENT_TYPE, renderMetrics } = await import("./metrics.ts");
    const text = await renderMetrics(source.view());
    return reply.type(METRICS_CONTENT_TYPE).send(text);
  });

  app.get("/api/v1/listeners", () => ({ listeners: source.view().listeners }));
  app.get("/api/v1/links", () => ({ links: source.view().links }));
  app.get("/api/v1/services", () => ({ services: source.view().services }));
  app.get("/api/v1/nodes", () => ({ nodes: source.view().nodes }));
  app.get("/api/v1/analyses", () => ({ analyses: source.view().analyses }));
  app.get("/api/v1/sessions", () => {
    const { sessions, sessionsOmitted } = source.view();
    return { sessions, sessionsOmitted };
  });

  app.post("/api/v1/services", (request, reply) => {
    const { service, kept } = readRegistration(request.body);
    source.register(service, kept);
    const { name, target } = service;
    logger.info({ service: name, target: target.url, kept: kept !== undefined }, "service registered");
    return reply.code(201).send({ name, target: target.url, kept: kept !== undefined });
  });
  app.delete<{ Params: { name: string } }>("/api/v1/services/:name", (request, reply) => {
    source.unregister(request.params.name);
    logger.info({ service: request.params.name }, "service unregistered");
    return reply.code(204).send();
  });

  app.post("/api/v1/links/cost", (request) => {
    const { link, cost } = readLinkCost(request.body);
    source.setCost(link, cost);
    return { link, cost };
  });

  app.post("/api/v1/drain", (_request, reply) => {
    logger.info({}, "drain asked for");
    // Not awaited: it takes as long as the work under way does, and may end the process.
    Promise.resolve(source.drain()).catch((error: unknown) => {
      logger.error({ error: messageOf(error) }, "drain failed");
    });
    return reply.code(202).send({ state: "draining" });
  });
  app.post("/api/v1/reload", async () => {
    await source.reload();
    return { reloaded: true };
  });
}

function addHealthRoutes(app: FastifyInstance, source: AdminSource): void {
  app.get("/livez", () => ({ status: "ok" }));
  app.get("/readyz", (_request, reply) => {
    const readiness = source.readiness();
    return reply.code(readiness.ready ? 200 : 503).send(readiness);
  });
  // For those who want one place to look: alive, and what is missing, without failing over it.
  app.get("/healthz", () => ({ status: "ok", ...source.readiness() }));
}
