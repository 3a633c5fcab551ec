/** One active check of an app: a GET that is answered with 2xx or 3xx, or a connection that is accepted. */
import type { Socket } from "node:net";
import { certificateName, formatPlace, type TargetAddress } from "../base/address.ts";
import type { NameResolver } from "../socket/name-resolver.ts";
import { http } from "../socket/node-http.ts";
import { ownPreface, type ProxyProtocol } from "./app-preface.ts";
import { connectPlace } from "../socket/place-connection.ts";
import { systemReason } from "../socket/system-reason.ts";
import { connectApp, onceConnected } from "./app-socket.ts";
import type { AppTls } from "./app-tls.ts";
import { checkGetHttp2 } from "./health-check-http2.ts";

export interface HealthCheckOptions {
  readonly address: TargetAddress;
  readonly tls: AppTls | undefined;
  readonly names: NameResolver;
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
  const { address, tls, names, path, timeoutMs } = options;
  if (path === undefined) return checkConnect(options);
  if (!options.http2) return checkGet(options, path);
  const { place } = address;
  const isPlain = place.kind === "tcp" && place.records === undefined;
  const authority = isPlain ? formatPlace(place) : certificateName(place);
  return checkGetHttp2({ place, tls, names }, authority, path, timeoutMs);
}

function checkConnect({
  address,
  tls,
  names,
  timeoutMs,
  proxyProtocol,
}: HealthCheckOptions): Promise<string | undefined> {
  return new Promise((resolve) => {
    // An app would call a connection without its header broken.
    const preface = proxyProtocol === "none" ? undefined : ownPreface(proxyProtocol);
    const socket = connectApp({ place: address.place, tls, names }, timeoutMs, preface);
    onceConnected(socket, () => {
      socket.destroySoon();
      resolve(undefined);
    });
    socket.once("error", (error) => resolve(systemReason(error)));
  });
}

function checkGet(options: HealthCheckOptions, path: string): Promise<string | undefined> {
  const { address, tls, timeoutMs } = options;
  const { place } = address;
  // For the Host field; the connection is made below.
  const port = place.kind === "tcp" && place.records === undefined ? { port: place.port } : {};
  return new Promise((resolve) => {
    const check = http.request(
      {
        host: certificateName(place),
        ...port,
        path,
        timeout: timeoutMs,
        headers: { "User-Agent": "polarity-health-check" },
        // An agent would make the connection in its own way.
        createConnection: () => connectForCheck(options),
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
    check.once("error", (error) => resolve(systemReason(error)));
    check.end();
  });
}

function connectForCheck({ address: { place }, tls, names, proxyProtocol }: HealthCheckOptions): Socket {
  const preface = proxyProtocol === "none" ? undefined : ownPreface(proxyProtocol);
  if (tls !== undefined) return tls.connect(place, names, preface);
  const socket = connectPlace(place, names, {});
  if (preface !== undefined) socket.write(preface);
  return socket;
}
