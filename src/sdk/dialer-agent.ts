/**
 * Services as hosts of Node's HTTP clients: an `http.Agent` whose connections are streams.
 *
 * A stream of an `http/1.1` service carries one exchange, so it is used once. That costs little: a stream is no connection,
 * and the far side keeps its connections to the app.
 */
import { clientContext } from "../socket/authorities.ts";
import { Agent, type ClientRequestArgs } from "node:http";
import type { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import type { HttpOptions } from "./connect-options.ts";
import { parseServiceHost, type ServiceAddress } from "./service-address.ts";
import { StreamDuplex } from "./stream-duplex.ts";

/** Opens a stream, as a dialer does. */
export type OpenStream = (
  address: ServiceAddress,
  options: { readonly protocol: "tcp" | "http/1.1"; readonly timeoutMs?: number },
) => StreamDuplex;

/** What Node hands to an agent besides what its types tell. */
interface ConnectionArgs extends ClientRequestArgs {
  readonly servername?: string;
}

export class DialerAgent extends Agent {
  /** Undefined takes both `http:` and `https:` URLs. */
  readonly protocol = undefined;
  readonly #open: OpenStream;
  readonly #protocol: "tcp" | "http/1.1";
  readonly #timeoutMs: number | undefined;

  constructor(open: OpenStream, { protocol = "http/1.1", timeoutMs }: HttpOptions) {
    // Not "close" in every request: that would be for the app to read, and cost it its connection.
    super({ keepAlive: true });
    this.#open = open;
    this.#protocol = protocol;
    this.#timeoutMs = timeoutMs;
  }

  override createConnection(options: ConnectionArgs): Duplex {
    const secure = (options.protocol ?? defaultProtocol(options)) === "https:";
    const host = options.host ?? options.hostname ?? "";
    // An app that ends TLS itself is offered as bytes.
    const protocol = secure ? "tcp" : this.#protocol;
    const timing = this.#timeoutMs === undefined ? {} : { timeoutMs: this.#timeoutMs };
    const stream = this.#open(parseServiceHost(host), { protocol, ...timing });
    if (!secure) return stream;
    return connectTls({
      // Whom a node trusts, unless the program names somebody itself.
      ...(namesOwn(options) ? {} : { secureContext: clientContext({}) }),
      ...options,
      path: undefined,
      socket: stream,
      servername: options.servername ?? host,
    } as object);
  }

  /** Called when an exchange is complete. */
  override keepSocketAlive(socket: Duplex): boolean {
    if (socket instanceof StreamDuplex && this.#protocol === "http/1.1") {
      socket.exchangeComplete();
      return false;
    }
    return true;
  }

  override reuseSocket(): void {}
}

/** Of `https.request` without a URL: only its agent tells that it is for TLS. */
function defaultProtocol({ _defaultAgent }: ClientRequestArgs): string | undefined {
  return (_defaultAgent as { readonly protocol?: string } | undefined)?.protocol;
}

/** The program says itself by which certificates a connection lives. */
function namesOwn(options: object): boolean {
  return ["ca", "cert", "key", "pfx", "secureContext"].some((name) => name in options);
}
