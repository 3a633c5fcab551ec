/** Services as hosts of undici's clients: a function for the `connect` option of its `Agent`, `Pool` and `Client`. */
import type { Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { clientContext } from "../socket/authorities.ts";
import type { HttpOptions } from "./connect-options.ts";
import type { OpenStream } from "./dialer-agent.ts";
import { parseServiceHost } from "./service-address.ts";

/** Who undici wants a connection to. */
export interface ConnectorTarget {
  readonly hostname: string;
  /** `https:` puts TLS inside of the stream. */
  readonly protocol: string;
  readonly servername?: string;
}

/**
 * Makes a connection for undici. With `http/1.1` services each connection carries one exchange: give the client
 * `pipelining: 0` with it.
 */
export type Connector = (target: ConnectorTarget, done: (...outcome: [null, Socket] | [Error, null]) => void) => void;

export function createConnector(open: OpenStream, options: HttpOptions): Connector {
  const { protocol = "http/1.1", timeoutMs } = options;
  const timing = timeoutMs === undefined ? {} : { timeoutMs };
  return ({ hostname, protocol: scheme, servername }, done) => {
    let stream: ReturnType<OpenStream>;
    const secure = scheme === "https:";
    try {
      stream = open(parseServiceHost(hostname), { protocol: secure ? "tcp" : protocol, ...timing });
    } catch (error) {
      done(error as Error, null);
      return;
    }
    const failed = (error: Error): void => done(error, null);
    const connection = secure
      ? connectTls({
          socket: stream,
          servername: servername ?? hostname,
          ALPNProtocols: ["http/1.1"],
          secureContext: clientContext({}),
        })
      : stream;
    connection.once("error", failed);
    connection.once(secure ? "secureConnect" : "connect", () => {
      connection.off("error", failed);
      done(null, connection);
    });
  };
}
