/** One active check of an app: a GET that is answered with 2xx or 3xx, or a connection that is accepted. */
import { connect, type Socket } from "node:net";
import type { Place, TargetAddress } from "../base/address.ts";
import { messageOf } from "../base/errors.ts";
import { http } from "../socket/node-http.ts";
import { ownPreface, type ProxyProtocol } from "./app-preface.ts";
import { connectApp } from "./app-socket.ts";

export interface HealthCheckOptions {
  readonly address: TargetAddress;
  /** What to GET; undefined: being able to connect is enough. */
  readonly path: string | undefined;
  readonly timeoutMs: number;
  /** The app expects a PROXY header: it is told that the connection is this node's own. */
  readonly proxyProtocol: ProxyProtocol;
}

/** Resolves with how the check failed, or undefined when it passed; never rejects. */
export function checkHealth(options: HealthCheckOptions): Promise<string | undefined> {
  return options.path === undefined ? checkConnect(options) : checkGet(options, options.path);
}

function checkConnect({ address, timeoutMs, proxyProtocol }: HealthCheckOptions): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connectApp(address.place, timeoutMs);
    socket.once("connect", () => {
      // An app would call a connection without its header broken.
      if (proxyProtocol === "none") socket.destroy();
      else socket.end(ownPreface(proxyProtocol), () => socket.destroy());
      resolve(undefined);
    });
    socket.once("error", (error) => resolve(messageOf(error)));
  });
}

function checkGet(
  { address, timeoutMs, proxyProtocol }: HealthCheckOptions,
  path: string,
): Promise<string | undefined> {
  const { place } = address;
  const where = place.kind === "unix" ? { socketPath: place.path } : { host: place.host, port: place.port };
  return new Promise((resolve) => {
    const check = http.request(
      {
        ...where,
        path,
        timeout: timeoutMs,
        headers: { "User-Agent": "polarity-health-check" },
        // An agent would make the connection in its own way.
        ...(proxyProtocol === "none"
          ? { agent: false }
          : { createConnection: () => connectWithHeader(place, proxyProtocol) }),
      },
      (response) => {
        const status = response.statusCode ?? 0;
        // The status decides; a body without end must not keep the check.
        response.destroy();
        resolve(status >= 200 && status < 400 ? undefined : `status ${status}`);
      },
    );
    const timer = setTimeout(() => check.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    check.once("close", () => clearTimeout(timer));
    check.once("error", (error) => resolve(messageOf(error)));
    check.end();
  });
}

function connectWithHeader(place: Place, version: "v1" | "v2"): Socket {
  const socket = connect(place.kind === "unix" ? { path: place.path } : { host: place.host, port: place.port });
  socket.write(ownPreface(version));
  return socket;
}
