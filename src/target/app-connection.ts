/** One connection to an HTTP app: serving one exchange, or idle in its pool. */
import type { Socket } from "node:net";
import type { ByteSink } from "../base/byte-stream.ts";
import type { PolarityError } from "../base/errors.ts";
import { SocketStream } from "../socket/socket-stream.ts";
import { onceConnected } from "./app-socket.ts";

/** What the exchange on a connection hears of the app. */
export interface AppUser {
  appData(chunk: Buffer): void;
  appEnded(): void;
  appReset(error: PolarityError): void;
  appDrained(): void;
}

export class AppConnection implements ByteSink {
  readonly stream: SocketStream;
  readonly #gone: (connection: AppConnection) => void;
  /** The one client whose requests it may carry, because the app was told of it; empty: any client's. */
  readonly client: string;
  user: AppUser | undefined;
  connected = false;
  /** It has served before: the app may be closing it just now. */
  reused = false;
  /** When it became idle, and until when the app is expected to keep it. */
  idleSince = 0;
  idleUntil = 0;

  constructor(socket: Socket, who: string, client: string, gone: (connection: AppConnection) => void) {
    this.client = client;
    this.stream = new SocketStream(socket, { code: "TARGET_FAILED", who }, this);
    this.#gone = gone;
    onceConnected(socket, () => {
      this.connected = true;
    });
  }

  /** For people: where it served before, its app may have closed it for a reason of that time. */
  get history(): string {
    return this.reused ? ", on a connection that was kept from a request before" : "";
  }

  /** Ends it for good. */
  destroy(): void {
    if (this.stream.over) return;
    this.user = undefined;
    this.stream.destroy();
    this.#gone(this);
  }

  /** Ends it once the app has taken what was written. */
  closeAfterWrites(): void {
    if (this.stream.over) return;
    this.user = undefined;
    this.stream.closeAfterWrites();
    this.#gone(this);
  }

  data(chunk: Buffer): void {
    if (this.user !== undefined) this.user.appData(chunk);
    // Nobody asked: whatever it says, no later exchange may take it for its answer.
    else this.destroy();
  }

  end(): void {
    if (this.user !== undefined) this.user.appEnded();
    else this.destroy();
  }

  reset(error: PolarityError): void {
    const { user } = this;
    this.user = undefined;
    this.#gone(this);
    user?.appReset(error);
  }

  drain(): void {
    this.user?.appDrained();
  }
}
