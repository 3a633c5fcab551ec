/** One active check of an app: a GET that is answered with 2xx or 3xx, or a connection that is accepted. */
import { connect, type Socket } from "node:net";
import { formatPlace, type Place, type TargetAddress } from "../base/address.ts";
import { http } from "../socket/node-http.ts";
import { ownPreface, type ProxyProtocol } from "./app-preface.ts";
import { tlsReason } from "../socket/tls-settings.ts";
import { connectApp, onceConnected } from "./app-socket.ts";
import type { AppTls } from "./app-tls.ts";
import { checkGetHttp2 } from "./health-check-http2.ts";

export interface HealthCheckOptions {
  readonly address: TargetAddress;
  readonly tls: AppTls | undefined;
  /** The app speaks HTTP/2. */
  readonly http2: boolean;
  /** What to GET; undefined: being able to connect is enough. */
  readonly path: string | undefined;
  readonly timeoutMs: number;
  /** The app expects a PROXY header: it is told that the connection is this node's own. */
  readonly proxyProtocol: ProxyProtocol;
}

/** Resolves with how the check failed, or undefined when it passed; never rejects. */
export function checkHealth(options: HealthCheckOptions): Promise<string | undefined> {
  const { address, tls, path, timeoutMs } = options;
  if (path === undefined) return checkConnect(options);
  if (!options.http2) return checkGet(options, path);
  const authority = address.place.kind === "unix" ? "localhost" : formatPlace(address.place);
  return checkGetHttp2({ place: address.place, tls }, authority, path, timeoutMs);
}

function checkConnect({ address, tls, timeoutMs, proxyProtocol }: HealthCheckOptions): Promise<string | undefined> {
  return new Promise((resolve) => {
    // An app would call a connection without its header broken.
    const preface = proxyProtocol === "none" ? undefined : ownPreface(proxyProtocol);
    const socket = connectApp({ place: address.place, tls }, timeoutMs, preface);
    onceConnected(socket, () => {
      socket.destroySoon();
      resolve(undefined);
    });
    socket.once("error", (error) => resolve(tlsReason(error)));
  });
}

function checkGet(options: HealthCheckOptions, path: string): Promise<string | undefined> {
  const { address, tls, timeoutMs, proxyProtocol } = options;
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
        ...(proxyProtocol === "none" && tls === undefined
          ? { agent: false }
          : { createConnection: () => connectForCheck(place, tls, proxyProtocol) }),
        ...(tls === undefined ? {} : { defaultPort: 443 }),
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
    check.once("error", (error) => resolve(tlsReason(error)));
    check.end();
  });
}

function connectForCheck(place: Place, tls: AppTls | undefined, proxyProtocol: ProxyProtocol): Socket {
  const preface = proxyProtocol === "none" ? undefined : ownPreface(proxyProtocol);
  if (tls !== undefined) return tls.connect(place, preface);
  const socket = connect(place.kind === "unix" ? { path: place.path } : { host: place.host, port: place.port });
  if (preface !== undefined) socket.write(preface);
  return socket;
}
