/** Another protocol over websockets that shares a link listener's port. */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";

/** Who asks for the upgrade. */
export interface UpgradeAsker {
  /** As `host:port`. */
  readonly address: string;
  /** Who it proves to be, by its certificate or `token`. Throws `AUTH_FAILED`. */
  identify(token: string | undefined): string;
  /** It has been answered with a websocket. False: it came too late, and its connection is gone. */
  settled(): boolean;
  /** It has been answered with something else. */
  refused(why: string): void;
}

export interface UpgradeTaker {
  /** Whether the request is for this protocol. */
  takes(request: IncomingMessage): boolean;
  /** Answers the request. */
  take(request: IncomingMessage, socket: Socket, head: Buffer, asker: UpgradeAsker): void;
}
