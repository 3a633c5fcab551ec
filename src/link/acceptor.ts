/**
 * Where other nodes join: one port for raw links, websockets and both inside TLS.
 *
 * The first byte tells them apart: 0x00 is a yamux frame, an upper-case letter an HTTP request, 0x16 a TLS handshake. All
 * that a connection does before it has joined shares one deadline and one limit, so that strangers can neither stay nor
 * crowd out. Links outlive the acceptor: closing it only stops new ones.
 */
import { createServer, type Server, type Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { isDeepStrictEqual } from "node:util";

import { formatPlace, formatUnixUrl, isLocalPlace, type Place } from "../base/address.ts";
import { PolarityError } from "../base/errors.ts";
import { hostOf } from "../base/client-path.ts";
import { ANONYMOUS_IDENTITY } from "../base/identity.ts";
import { clientKey } from "../base/ip-address.ts";
import { type Guest, WaitingRoom } from "../base/waiting-room.ts";
import { addressOf, isTls, listenError, rawTransport, refuseGreedy } from "./accepted-links.ts";
import { certificateIdentity, checkCertified } from "./certificate-identity.ts";
import type { Hello } from "./control-messages.ts";
import { JoinedLink } from "./joined-link.ts";
import type { LinkContext, LinkOwner } from "./link-context.ts";
import type { Link } from "./link.ts";
import { payerOf } from "./link-holders.ts";
import { accept } from "../socket/shared-read.ts";
import { listenWithMode } from "../socket/socket-mode.ts";
import { removeStaleSocket } from "../socket/stale-socket.ts";
import { createTlsGate, type TlsGate } from "../socket/tls-gate.ts";
import { tlsReason } from "../socket/tls-settings.ts";
import { linkGateOptions, type TlsServerOptions } from "./link-tls.ts";
import { hashOf, type TokenSet } from "./tokens.ts";
import { WebSocketTransport } from "./transport-websocket.ts";
import type { Transport } from "./transport.ts";
import { UpgradeGate } from "./upgrade-gate.ts";
import type { UpgradeAsker, UpgradeTaker } from "./upgrade-taker.ts";

export interface AcceptorOptions {
  readonly place: Place;
  readonly tls: TlsServerOptions | undefined;
  /** Who may join; undefined: nobody is asked for a token. */
  readonly tokens: TokenSet | undefined;
  /** Accept anybody, even from beyond this machine. */
  readonly insecure: boolean;
  /** What this side can do beyond the first version of the protocol; told to who joins. */
  readonly features?: readonly string[];
  /** URLs of other routers worth joining; read for each that joins. */
  readonly routers?: () => readonly string[];
  /** Permission bits of a unix socket; undefined leaves them to the umask. */
  readonly socketMode?: number | undefined;
  /** What else may come over websockets on this port. */
  readonly upgrades?: UpgradeTaker | undefined;
  readonly context: LinkContext;
}

const FIRST_BYTE_RAW = 0x00;
const FIRST_BYTE_TLS = 0x16;

/** A hello comes with the first bytes, behind TLS a little later: who takes longer yields its place when it is needed. */
const HELLO_MS = 2_000;

/** A connection that has not joined yet. */
interface Arrival extends Guest {
  /** Of the peer, with its port, for people. */
  readonly from: string;
  readonly deadline: NodeJS.Timeout;
  /** Ends it, whatever it has become by now. */
  drop: () => void;
}

export class Acceptor implements LinkOwner {
  #options: AcceptorOptions;
  readonly #context: LinkContext;
  readonly #server: Server;
  #tls: TlsGate | undefined;
  readonly #upgrades: UpgradeGate;
  /** By the socket on which each stands at the moment: the plain one, then the TLS one on top. */
  readonly #arrivals = new Map<Socket, Arrival>();
  /** Links whose hello has not come. */
  readonly #joining = new Map<Link, Arrival>();
  /** All of these. */
  readonly #places: WaitingRoom<Arrival>;
  readonly #links = new Set<Link>();
  /** Hashes of the tokens that let links in. */
  readonly #proofs = new WeakMap<Link, Buffer>();
  #url = "";

  private constructor(options: AcceptorOptions) {
    this.#options = options;
    this.#context = options.context;
    this.#places = new WaitingRoom(options.context.limits.joiningMax, HELLO_MS);
    this.#tls = this.#createGate(options.tls);
    this.#upgrades = new UpgradeGate(options.context.limits.websocketMessageBytesMax, options.upgrades, {
      upgraded: (webSocket, socket) => this.#upgraded(webSocket, socket),
      refused: (socket, why) => this.#turnAway(this.#arrivals.get(socket)?.from ?? "", why),
      asker: (socket) => this.#asker(socket),
    });
    this.#server = createServer({ noDelay: true }, (socket) => accept(socket, (accepted) => this.#arrived(accepted)));
  }

  /** Starts listening. Fails with `INSECURE_LISTENER`, `ADDRESS_IN_USE` or what is wrong with the certificate. */
  static async listen(options: AcceptorOptions): Promise<Acceptor> {
    refuseInsecure(options);
    const acceptor = new Acceptor(options);
    await acceptor.#listen();
    return acceptor;
  }

  /** Where it listens, with the port that was bound. */
  get url(): string {
    return this.#url;
  }

  get links(): ReadonlySet<Link> {
    return this.#links;
  }

  /** Stops listening and drops what has not joined; links stay until they drain or are closed. */
  async close(): Promise<void> {
    for (const socket of this.#arrivals.keys()) socket.destroy();
    for (const link of this.#joining.keys())
      link.close(new PolarityError("NODE_STOPPED", "this node takes no more links"));
    // The callback of `close` waits for every link; that nobody new comes is true at once.
    this.#server.close();
    await new Promise((resolve) => setImmediate(resolve));
  }

  /**
   * Takes other certificates and tokens for what joins from now on. Links stay, but those that would not be let in again as
   * who they are: they are drained. Throws CONFIG_INVALID, and then keeps the old ones.
   */
  update({ tls, tokens }: Pick<AcceptorOptions, "tls" | "tokens">): void {
    const old = this.#options;
    if (!isDeepStrictEqual(tls, old.tls)) this.#tls = this.#createGate(tls);
    this.#options = { ...old, tls, tokens };
    const otherAuthority = tls?.clientCa !== old.tls?.clientCa;
    for (const link of this.#links) {
      const { identity, node } = link.peer;
      const proof = this.#proofs.get(link);
      const isKnown = tokens === undefined || (proof !== undefined && tokens.identifyHash(proof) === identity);
      if (isKnown && !otherAuthority) continue;
      const why = isKnown ? "the authority of client certificates is another" : "its token is not known here any more";
      this.#context.logger.info({ link: link.id, node, identity }, `the link of node "${node}" is drained: ${why}`);
      link.drain();
    }
  }

  #createGate(tls: TlsServerOptions | undefined): TlsGate | undefined {
    if (tls === undefined) return undefined;
    return createTlsGate(linkGateOptions(tls), {
      secured: (plain, secure) => this.#secured(plain, secure),
      failed: (_plain, address, error) => this.#turnAway(address, `the TLS handshake failed: ${tlsReason(error)}`),
    });
  }

  // ── LinkOwner ──

  joined(link: Link): void {
    this.#joins(link);
    this.#links.add(link);
    const { node, identity, address } = link.peer;
    this.#context.quiet.log(
      `joined ${node}`,
      "info",
      { link: link.id, node, identity },
      `node "${node}" joined from ${address} (${link.transport})`,
    );
  }

  /** Only a dialler can open a link in another's place; a link of ours simply drains. */
  replace(link: Link): void {
    link.drain();
  }

  closed(link: Link, error: PolarityError, wasJoined: boolean): void {
    this.#joins(link);
    if (!this.#links.delete(link)) {
      const { address } = link.peer;
      const level = error.code === "AUTH_FAILED" ? "warn" : "debug";
      const key = `no-link ${hostOf(address)} ${error.code}`;
      this.#context.quiet.log(key, level, { address, code: error.code }, `no link with ${address}: ${error.message}`);
      return;
    }
    if (wasJoined) {
      this.#context.quiet.log(
        `left ${link.peer.node}`,
        "info",
        { link: link.id, node: link.peer.node, code: error.code },
        `node "${link.peer.node}" left: ${error.message}`,
      );
    }
  }

  // ── arrivals ──

  async #listen(): Promise<void> {
    const { place, socketMode } = this.#options;
    if (place.kind === "unix") await removeStaleSocket(place.path);
    const target =
      place.kind === "unix"
        ? { path: place.path }
        : place.host === ""
          ? { port: place.port }
          : { host: place.host, port: place.port };
    const server = this.#server;
    await new Promise<void>((resolve, reject) => {
      server.once("error", (error: NodeJS.ErrnoException) => reject(listenError(place, error)));
      listenWithMode(place, socketMode, () => server.listen(target, resolve));
    });
    server.removeAllListeners("error");
    server.on("error", (error) => {
      const message = `a connection to ${this.#url} could not be accepted: ${error.message}`;
      this.#context.quiet.log(`not-accepted ${this.#url}`, "warn", {}, message);
    });
    const bound = server.address();
    this.#url =
      typeof bound === "object" && bound !== null
        ? `tcp://${formatPlace({ kind: "tcp", host: bound.address, port: bound.port })}`
        : formatUnixUrl(place);
  }

  #arrived(socket: Socket): void {
    const from = addressOf(socket);
    socket.on("error", () => {});
    const { handshakeMs, joiningMax } = this.#context.limits;
    const deadline = setTimeout(() => {
      this.#turnAway(from, `it did not finish the handshake within ${handshakeMs} ms`);
      socket.destroy();
    }, handshakeMs);
    const now = this.#context.clock.now();
    const drop = (): void => void socket.destroy();
    const arrival: Arrival = { address: clientKey(hostOf(from)), from, arrivedAt: now, deadline, drop };
    this.#arrivals.set(socket, arrival);
    socket.once("close", () => this.#left(socket));
    const loser = this.#places.enter(arrival, now);
    if (loser !== undefined) {
      this.#turnAway(loser.from, `${joiningMax} connections have not finished the handshake, and of its address most`);
      loser.drop();
      if (loser === arrival) return;
    }
    this.#sniff(socket, false);
  }

  /** Waits for the first byte and sends the connection where that says. */
  #sniff(socket: Socket, secure: boolean): void {
    socket.once("data", (head: Buffer) => {
      accept(socket, () => this.#begun(socket, secure, head));
    });
  }

  #begun(socket: Socket, secure: boolean, head: Buffer): void {
    // Whoever takes over reads the head again, or is handed it.
    socket.pause();
    const first = head[0] ?? -1;
    if (first === FIRST_BYTE_RAW) {
      this.#join(socket, socket, (arrival) => rawTransport(socket, secure, arrival.from, head));
    } else if (first >= 0x41 && first <= 0x5a) {
      socket.unshift(head);
      this.#upgrades.take(socket);
    } else if (first === FIRST_BYTE_TLS && !secure && this.#tls !== undefined && socket.remoteAddress !== undefined) {
      socket.unshift(head);
      this.#tls.take(socket);
    } else {
      const what =
        first === FIRST_BYTE_TLS && !secure
          ? "TLS, which this listener does not take"
          : `neither a link nor HTTP nor TLS: 0x${first.toString(16).padStart(2, "0")}`;
      this.#turnAway(this.#arrivals.get(socket)?.from ?? "", `it begins with ${what}`);
      socket.destroy();
    }
  }

  #secured(plain: Socket, secure: TLSSocket): void {
    const arrival = this.#arrivals.get(plain);
    if (arrival === undefined) {
      secure.destroy();
      return;
    }
    this.#arrivals.delete(plain);
    this.#arrivals.set(secure, arrival);
    secure.on("error", () => {});
    arrival.drop = () => void secure.destroy();
    secure.once("close", () => this.#left(secure));
    this.#sniff(secure, true);
  }

  #upgraded(webSocket: ConstructorParameters<typeof WebSocketTransport>[0], socket: Socket): void {
    this.#join(socket, webSocket, (arrival) => {
      const secure = isTls(socket);
      return new WebSocketTransport(webSocket, socket, {
        kind: secure ? "wss" : "ws",
        remoteAddress: arrival.from,
        certificateIdentity: secure ? certificateIdentity(socket) : undefined,
      });
    });
  }

  #join(socket: Socket, abandoned: { terminate(): void } | Socket, create: (arrival: Arrival) => Transport): void {
    const arrival = this.#departed(socket);
    if (arrival === undefined) {
      if ("terminate" in abandoned) abandoned.terminate();
      else abandoned.destroy();
      return;
    }
    let transport: Transport;
    try {
      transport = create(arrival);
    } catch (error) {
      // Nobody else knows of its place any more.
      this.#places.leave(arrival);
      throw error;
    }
    const left = this.#context.limits.handshakeMs - (this.#context.clock.now() - arrival.arrivedAt);
    const authenticate = (hello: Hello, by: Transport): string => {
      const identity = this.#authenticate(hello, by);
      if (hello.token !== undefined) this.#proofs.set(link, hashOf(hello.token));
      return identity;
    };
    const link: JoinedLink = new JoinedLink(
      transport,
      {
        kind: "acceptor",
        authenticate,
        features: this.#options.features ?? [],
        routers: this.#options.routers?.() ?? [],
      },
      this.#context,
      this,
      Math.max(1, left),
    );
    arrival.drop = () => link.close(new PolarityError("LINK_LIMIT", "others need the place: the hello took too long"));
    this.#joining.set(link, arrival);
    link.start();
  }

  /** The connection is no arrival any more, but keeps its place. */
  #departed(socket: Socket): Arrival | undefined {
    const arrival = this.#arrivals.get(socket);
    if (arrival === undefined) return undefined;
    clearTimeout(arrival.deadline);
    this.#arrivals.delete(socket);
    return arrival;
  }

  /** The connection is gone, or somebody else's. */
  #left(socket: Socket): boolean {
    const arrival = this.#departed(socket);
    if (arrival !== undefined) this.#places.leave(arrival);
    return arrival !== undefined;
  }

  /** The link has joined, or will not. */
  #joins(link: Link): void {
    const arrival = this.#joining.get(link);
    if (arrival === undefined) return;
    this.#joining.delete(link);
    this.#places.leave(arrival);
  }

  /** Whoever asks for something else than a link, held to the same rules. */
  #asker(socket: Socket): UpgradeAsker | undefined {
    const arrival = this.#arrivals.get(socket);
    if (arrival === undefined) return undefined;
    const { from } = arrival;
    return {
      address: from,
      identify: (token) => this.#identify(token, isTls(socket) ? certificateIdentity(socket) : undefined),
      settled: () => this.#left(socket),
      refused: (why) => this.#turnAway(from, why),
    };
  }

  #authenticate(hello: Hello, transport: Transport): string {
    const { linksMax } = this.#context.limits;
    if (this.#links.size >= linksMax) throw new PolarityError("LINK_LIMIT", `this node has ${linksMax} links already`);
    const identity = this.#identify(hello.token, transport.certificateIdentity);
    refuseGreedy(this.#links, payerOf({ identity, address: transport.remoteAddress }), linksMax);
    return identity;
  }

  #identify(token: string | undefined, certified: string | undefined): string {
    const { tokens, tls } = this.#options;
    if (tls?.clientCa !== undefined && certified === undefined) {
      throw new PolarityError("AUTH_FAILED", "a client certificate is needed here: dial with tls:// or wss:// and one");
    }
    if (tokens === undefined) {
      return checkCertified(certified, "dial with a certificate of another name") ?? ANONYMOUS_IDENTITY;
    }
    if (token === undefined) throw new PolarityError("AUTH_FAILED", "a token is needed here, but none was sent");
    const identity = tokens.identify(token);
    if (identity === undefined) throw new PolarityError("AUTH_FAILED", "the token is not known here");
    return identity;
  }

  #turnAway(address: string, why: string): void {
    const message = `turned away ${address || "a connection"}: ${why}`;
    this.#context.quiet.log(`turned-away ${hostOf(address)}`, "debug", { address }, message);
  }
}

/** Anybody who reaches an open listener can offer any service, so one beyond this machine must be meant. */
function refuseInsecure({ place, tls, tokens, insecure }: AcceptorOptions): void {
  const guarded = (tokens !== undefined && tokens.size > 0) || tls?.clientCa !== undefined;
  if (guarded || insecure || isLocalPlace(place)) return;
  throw new PolarityError(
    "INSECURE_LISTENER",
    `tcp://${formatPlace(place)} can be reached from other machines, but has neither tokens nor a client certificate authority`,
  );
}
