/**
 * The admin server of a node: health, statistics, metrics, and the few changes that may be made while it runs.
 *
 * It is not in the way of traffic: a server of its own with limits of its own, on `node:http`.
 */

import type { IncomingMessage, Server } from "node:http";
import { fastify } from "fastify";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { isLocalPlace } from "../base/address.ts";
import type { ListenerAddress } from "../base/address.ts";
import { parseJson } from "../base/bounded-json.ts";
import type { Logger } from "../base/clock.ts";
import { messageOf, PolarityError } from "../base/errors.ts";
import { internalError } from "../base/internal-error.ts";
import type { ErrorCode } from "../base/errors.ts";
import { systemClock } from "../base/clock.ts";
import { type BoundedServer, createBoundedServer } from "./bounded-server.ts";
import { checkAccess } from "./access.ts";
import type { AccessPolicy } from "./access.ts";
import { listenOn } from "./listening.ts";
import { addRoutes, OPEN_PATHS } from "./routes.ts";
import type { AdminSource } from "./source.ts";

export interface AdminOptions {
  /** `http://HOST:PORT` or `unix:///path` or `unix:@name`. */
  readonly address: ListenerAddress;
  /** Of a unix socket; left out, only this user may connect. */
  readonly socketMode?: number | undefined;
  /** The bearer token; without one the server listens only where nobody but this machine can reach it. */
  readonly token: () => string | undefined;
  readonly source: AdminSource;
  readonly logger: Logger;
}

export interface Admin {
  /** As bound: `http://127.0.0.1:41327`. */
  readonly address: string;
  /** Ends the server and its connections at once. Idempotent. */
  close(): Promise<void>;
}

const BODY_BYTES_MAX = 64 * 1024;

/** Statuses of codes that mean something else here than to a client of a service. */
const STATUSES: Readonly<Partial<Record<ErrorCode, number>>> = {
  CONFIG_INVALID: 400,
  ADDRESS_INVALID: 400,
  USAGE: 400,
  SERVICE_UNKNOWN: 404,
  NAME_TAKEN: 409,
};

export async function startAdmin(options: AdminOptions): Promise<Admin> {
  const { address, source, logger } = options;
  const token = options.token()?.trim();
  if (token === "") throw new PolarityError("CONFIG_INVALID", "the file of the admin token is empty");
  if (token === undefined && !isLocalPlace(address.place)) {
    const reason = "can be reached from beyond this machine and has no token";
    throw new PolarityError("INSECURE_LISTENER", `the admin listener ${address.url} ${reason}`);
  }

  const bounded = createBoundedServer(systemClock);
  const { server } = bounded;
  const app = createApp(server);
  const host = address.place.kind === "unix" ? undefined : address.place.host;
  guard(app, () => ({ token: options.token()?.trim(), host }), bounded);
  addRoutes(app, source, logger);
  await app.ready();
  const bound = await listenOn(server, address, options.socketMode);

  let closing: Promise<void> | undefined;
  return { address: bound, close: () => (closing ??= closeAll(server, app)) };
}

function createApp(server: Server): FastifyInstance {
  const app = fastify({
    logger: false,
    bodyLimit: BODY_BYTES_MAX,
    // Service names may be as long as this in the path, each byte of them escaped.
    routerOptions: { maxParamLength: 3 * 255 },
    serverFactory: (handler) => server.on("request", handler),
  });

  // JSON only; an empty body is no body, so that draining needs no `{}`.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/json", { parseAs: "string" }, (_request, body, done) => {
    try {
      done(null, body === "" ? undefined : parseJson(String(body)));
    } catch (error) {
      done(new PolarityError("BAD_REQUEST", `the body cannot be read: ${messageOf(error)}`));
    }
  });

  app.setErrorHandler((error, _request, reply) => {
    if (error instanceof PolarityError) {
      const { code, message } = error;
      return reply.code(STATUSES[code] ?? error.status).send({ code, message });
    }
    const status = statusOf(error);
    if (status < 500) return reply.code(status).send({ code: "BAD_REQUEST", message: messageOf(error) });
    const { code, message } = internalError("admin", error);
    return reply.code(500).send({ code, message });
  });
  app.setNotFoundHandler((request, reply) => {
    const message = `the admin API has no ${request.method} ${request.url.slice(0, 200)}`;
    return reply.code(404).send({ code: "NO_ROUTE", message });
  });
  return app;
}

/** `policy` is asked for with each request: tokens are replaced while the node runs. */
function guard(app: FastifyInstance, policy: () => AccessPolicy, bounded: BoundedServer): void {
  app.addHook("onRequest", async (request, reply) => {
    reply.headers({ "cache-control": "no-store", "x-content-type-options": "nosniff" });
    if (isOpen(request)) return undefined;
    if (bounded.crowded) {
      const message = "so many connections are open to the admin listener that it answers for health alone";
      return reply.code(503).headers({ connection: "close", "retry-after": "5" }).send({ code: "OVERLOADED", message });
    }
    const refusal = checkAccess(policy(), factsOf(request.raw));
    if (refusal === undefined) return undefined;
    const { status, code, message } = refusal;
    if (status === 401) reply.header("www-authenticate", 'Bearer realm="polarity"');
    return reply.code(status).send({ code, message });
  });
}

/** By the route that was found, so that no spelling of a path passes for another. */
function isOpen(request: FastifyRequest): boolean {
  return OPEN_PATHS.has(request.routeOptions.url ?? "");
}

function factsOf(request: IncomingMessage) {
  const { headers, method, socket } = request;
  return {
    method: method ?? "",
    remoteAddress: socket.remoteAddress,
    authorization: headers.authorization,
    host: headers.host,
    origin: headers.origin,
    fetchSite: headers["sec-fetch-site"]?.toString(),
    contentType: headers["content-type"],
  };
}

function statusOf(error: unknown): number {
  const status = typeof error === "object" && error !== null && "statusCode" in error ? error.statusCode : undefined;
  return typeof status === "number" ? status : 500;
}

async function closeAll(server: Server, app: FastifyInstance): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeAllConnections();
  await closed;
  await app.close();
}
