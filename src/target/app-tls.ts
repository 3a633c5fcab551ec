/**
 * TLS to one app: whom it trusts, who it says to be, and the session that makes the next connection cheap.
 *
 * An app's certificate is verified before it gets a byte: what is written to the socket meanwhile waits.
 */
import { connect as connectSocket, isIP } from "node:net";
import { checkServerIdentity, connect, type ConnectionOptions, type SecureContext, type TLSSocket } from "node:tls";
import { certificateName, type Place } from "../base/address.ts";
import { messageOf, PolarityError } from "../base/errors.ts";
import { clientContext } from "../socket/authorities.ts";
import { RACING, raceInto } from "../socket/connection-race.ts";
import type { NameResolver } from "../socket/name-resolver.ts";
import { needsRace } from "../socket/place-connection.ts";
import { QUIET_PROBE_MS } from "../socket/socket-stream.ts";

export interface AppTlsOptions {
  /** Authorities to trust instead of the system's, PEM. */
  readonly ca?: string | undefined;
  /** Our certificate and its key, for apps that ask for one, PEM. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** The name to ask for and to expect in the certificate; undefined: the host that is connected to. */
  readonly serverName?: string | undefined;
  /** Take any certificate. */
  readonly insecureSkipVerify: boolean;
  /** What is offered by ALPN, best first; none for raw streams. */
  readonly protocols: readonly string[];
}

/** Which Node's types do not know of TLS sockets; they are sockets in this, too. */
const AUTO_SELECT: object = { autoSelectFamily: true };
const HALF_OPEN: object = { allowHalfOpen: true };

export class AppTls {
  #options: AppTlsOptions;
  #context: SecureContext;
  #session: Buffer | undefined;

  /** Throws CONFIG_INVALID when certificates cannot be used. */
  constructor(options: AppTlsOptions) {
    this.#context = contextOf(options);
    this.#options = options;
  }

  /** Other certificates for connections to come; no session goes over to them. Throws CONFIG_INVALID, and keeps the old ones. */
  update(options: AppTlsOptions): void {
    this.#context = contextOf(options);
    this.#options = options;
    this.#session = undefined;
  }

  /** A socket that says `secureConnect`, or why not. `preface` goes ahead of TLS, in clear. */
  connect(place: Place, names: NameResolver, preface: Buffer | undefined): TLSSocket {
    const races = needsRace(place);
    const under = races ? { host: place.host, port: place.port, ...RACING } : underlying(place, preface);
    const socket = connect({ ...this.#settings(place), ...under, ...HALF_OPEN });
    if (races) raceInto(socket, names.destinations(place), { preface });
    socket.setKeepAlive(true, QUIET_PROBE_MS);
    const context = this.#context;
    socket.on("session", (session) => {
      if (context === this.#context) this.#session = session;
    });
    return socket;
  }

  #settings(place: Place): ConnectionOptions {
    const { serverName, insecureSkipVerify, protocols } = this.#options;
    const expected = serverName ?? certificateName(place);
    return {
      secureContext: this.#context,
      rejectUnauthorized: !insecureSkipVerify,
      checkServerIdentity: (_host, certificate) => checkServerIdentity(expected, certificate),
      // An address is no server name, but the certificate is checked against it all the same.
      ...(isIP(expected) === 0 ? { servername: expected } : {}),
      ...(protocols.length === 0 ? {} : { ALPNProtocols: [...protocols] }),
      ...(this.#session === undefined ? {} : { session: this.#session }),
    };
  }
}

function contextOf({ ca, cert, key }: AppTlsOptions): SecureContext {
  try {
    return clientContext({ ca, cert, key });
  } catch (error) {
    throw new PolarityError("CONFIG_INVALID", `the certificate or key cannot be used: ${messageOf(error)}`, error);
  }
}

function underlying(place: Place, preface: Buffer | undefined): ConnectionOptions {
  if (place.kind === "unix") return { path: place.path };
  const { host, port } = place;
  if (preface === undefined) return { host, port, ...AUTO_SELECT };
  // A preface needs a socket of its own.
  const socket = connectSocket({ host, port, allowHalfOpen: true, autoSelectFamily: false });
  socket.write(preface);
  return { socket };
}
