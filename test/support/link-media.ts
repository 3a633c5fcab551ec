/** Every way in which two nodes can be linked, behind one face, so that one suite of cases runs over all of them. */
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { parseLinkAddress, type Place } from "../../src/base/address.ts";
import { PolarityError } from "../../src/base/errors.ts";
import { Acceptor } from "../../src/link/acceptor.ts";
import { Dialer } from "../../src/link/dialer.ts";
import { JoinedLink } from "../../src/link/joined-link.ts";
import type { LinkOwner } from "../../src/link/link-context.ts";
import { TokenSet } from "../../src/link/tokens.ts";
import { createMemoryTransportPair, type Split } from "../../src/link/transport-memory.ts";
import { type Certificate, TestAuthority } from "./certificates.ts";
import type { LinkNode } from "./link-node.ts";
import { systemNames } from "./names.ts";

export interface JoinOptions {
  readonly token?: string;
  readonly tokens?: Readonly<Record<string, string>>;
  readonly cost?: number;
}

/** Two nodes that are linked, or on their way there. */
export interface Joining {
  /** Breaks what carries the link, as a cable that is pulled. */
  cut(): void;
  /** Nothing passes until `thaw`, though nothing breaks: a peer that hangs. Undefined where that cannot be had. */
  readonly freeze: (() => void) | undefined;
  thaw(): void;
  /** The acceptor goes away and comes back in the same place; undefined where there is no acceptor. */
  readonly restart: (() => Promise<void>) | undefined;
  /** Why the dialler has no link, once it knows. */
  failure(): string | undefined;
  close(): Promise<void>;
}

export interface Medium {
  readonly name: string;
  /** The dialler keeps a link: it dials again when one ends. */
  readonly redials: boolean;
  join(router: LinkNode, connector: LinkNode, options?: JoinOptions): Promise<Joining>;
}

export const MEDIA: readonly Medium[] = [
  memory("memory", (chunk) => [chunk]),
  memory("memory, in odd pieces", (chunk) => oddPieces(chunk)),
  sockets("tcp"),
  sockets("unix"),
  sockets("tls"),
  sockets("ws"),
  sockets("wss"),
];

const CLOSED = new PolarityError("NODE_STOPPED", "the test is over");

/** Pieces of 1, 2, 3 … bytes at the front, where headers are, and the rest in two. */
function oddPieces(chunk: Buffer): readonly Buffer[] {
  const pieces: Buffer[] = [];
  let start = 0;
  for (let size = 1; size <= 16 && start + size < chunk.length; size++) {
    pieces.push(chunk.subarray(start, start + size));
    start += size;
  }
  const middle = start + Math.floor((chunk.length - start) / 2);
  if (middle > start) pieces.push(chunk.subarray(start, middle));
  pieces.push(chunk.subarray(middle));
  return pieces;
}

function memory(name: string, split: Split): Medium {
  return {
    name,
    redials: false,
    join(router, connector, options = {}) {
      const [near, far] = createMemoryTransportPair(split);
      const tokens = tokenSet(options);
      let failure: string | undefined;
      const owner: LinkOwner = {
        joined: () => {},
        replace: (link) => link.drain(),
        closed: (link, error, wasJoined) => {
          if (!wasJoined && link.dialled) failure = error.message;
        },
      };
      const authenticate = ({ token = "" }: { token: string | undefined }): string => {
        if (tokens === undefined) return "anonymous";
        const identity = tokens.identify(token);
        if (identity === undefined) throw new PolarityError("AUTH_FAILED", "the token is not known here");
        return identity;
      };
      const accepted = new JoinedLink(near, { kind: "acceptor", authenticate }, router.context, owner, 10_000);
      const side = { kind: "dialler", token: options.token, cost: options.cost ?? 0 } as const;
      const dialled = new JoinedLink(far, side, connector.context, owner, 10_000);
      accepted.start();
      dialled.start();
      return Promise.resolve({
        cut: () => far.destroy(),
        freeze: undefined,
        thaw: () => {},
        restart: undefined,
        failure: () => failure,
        close: () => {
          accepted.close(CLOSED);
          dialled.close(CLOSED);
          return Promise.resolve();
        },
      });
    },
  };
}

let certificates: Promise<{ readonly authority: TestAuthority; readonly server: Certificate }> | undefined;

/** One authority and one certificate for 127.0.0.1 and localhost, for all tests of a process. */
export function testCertificates(): Promise<{ readonly authority: TestAuthority; readonly server: Certificate }> {
  certificates ??= TestAuthority.create().then(async (authority) => ({
    authority,
    server: await authority.issue({ commonName: "router", dns: ["localhost"], ips: ["127.0.0.1"] }),
  }));
  return certificates;
}

function sockets(transport: "tcp" | "unix" | "tls" | "ws" | "wss"): Medium {
  return {
    name: transport,
    redials: true,
    async join(router, connector, options = {}) {
      const folder = mkdtempSync(join(tmpdir(), "polarity-link-"));
      const secure = transport === "tls" || transport === "wss";
      const { authority, server } = await testCertificates();
      let place: Place =
        transport === "unix"
          ? { kind: "unix", path: join(folder, "link.sock") }
          : { kind: "tcp", host: "127.0.0.1", port: 0 };
      const listen = async (): Promise<Acceptor> =>
        Acceptor.listen({
          place,
          tls: secure ? { cert: server.cert, key: server.key } : undefined,
          tokens: tokenSet(options),
          insecure: false,
          context: router.context,
        });
      let acceptor = await listen();
      if (place.kind === "tcp") place = { ...place, port: Number(new URL(acceptor.url).port) };
      const cable = await Cable.to(place, join(folder, "cable.sock"));
      const dialer = new Dialer({
        address: parseLinkAddress(cable.url(transport)),
        links: 1,
        cost: options.cost ?? 0,
        token: options.token,
        tls: { ca: authority.cert },
        environment: {},
        names: systemNames,
        random: () => 0.01,
        context: connector.context,
      });
      dialer.start();
      const closeLinks = (): void => {
        for (const link of acceptor.links) link.close(CLOSED);
      };
      return {
        cut: () => cable.cut(),
        freeze: () => cable.freeze(),
        thaw: () => cable.thaw(),
        restart: async () => {
          await acceptor.close();
          closeLinks();
          acceptor = await listen();
        },
        failure: () => dialer.status.failure,
        close: async () => {
          dialer.stop();
          for (const link of dialer.links) link.close(CLOSED);
          await acceptor.close();
          closeLinks();
          await cable.close();
          rmSync(folder, { recursive: true, force: true });
        },
      };
    },
  };
}

function tokenSet({ tokens }: JoinOptions): TokenSet | undefined {
  if (tokens === undefined) return undefined;
  return new TokenSet(Object.entries(tokens).map(([name, token]) => ({ name, token })));
}

/** A relay between dialler and acceptor that a test can cut. */
class Cable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #path: string;

  private constructor(target: Place, path: string) {
    this.#path = path;
    this.#server = createServer({ noDelay: true }, (near) => {
      const far = connect(target.kind === "unix" ? { path: target.path } : { ...target, noDelay: true });
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(one);
        one.on("error", () => {});
        one.on("close", () => {
          this.#sockets.delete(one);
          other.destroy();
        });
        one.pipe(other);
      }
    });
  }

  static async to(target: Place, path: string): Promise<Cable> {
    const cable = new Cable(target, path);
    await new Promise<void>((resolve) => {
      cable.#server.listen(target.kind === "unix" ? { path } : { port: 0, host: "127.0.0.1" }, resolve);
    });
    return cable;
  }

  url(transport: string): string {
    const address = this.#server.address();
    return typeof address === "object" && address !== null
      ? `${transport}://127.0.0.1:${address.port}`
      : `unix://${this.#path}`;
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  freeze(): void {
    for (const socket of this.#sockets) socket.pause();
  }

  thaw(): void {
    for (const socket of this.#sockets) socket.resume();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
