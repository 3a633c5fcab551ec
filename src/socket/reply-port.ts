/**
 * Which datagrams are an app's that answers from another port than the one that it is asked at, as TFTP servers do.
 *
 * Only its own address is listened to. The first other port that answers is the app's from then on: what the client says next
 * goes there, and no third port is heard, so that whoever else is on the app's machine would have to be faster than the app.
 */
import { isLoopback } from "../base/address.ts";
import { parseIp } from "../base/ip-address.ts";

export class ReplyPort {
  readonly host: string;
  /** Where to send to. */
  port: number;
  readonly #asked: number;
  /** As the system writes it. */
  #known: string | undefined;

  constructor(host: string, port: number) {
    // What leads to this very machine answers as loopback.
    this.host = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
    this.port = port;
    this.#asked = port;
  }

  /** The address to wait for answers at; undefined: any. On loopback nobody from elsewhere can even try. */
  get waitAt(): string | undefined {
    if (!isLoopback(this.host)) return undefined;
    return this.host.includes(":") ? "::1" : "127.0.0.1";
  }

  /** Whether a datagram from there is the app's. */
  takes(host: string, port: number): boolean {
    if (host !== this.#known && !this.#isApp(host)) return false;
    if (port === this.port || port === this.#asked) return true;
    if (this.port !== this.#asked) return false;
    this.port = port;
    return true;
  }

  #isApp(host: string): boolean {
    // A zone is this machine's name for an interface.
    const [own, other] = [this.host, host].map((text) => parseIp(text.split("%", 1)[0] ?? ""));
    if (own === undefined || other === undefined || !own.equals(other)) return false;
    this.#known = host;
    return true;
  }
}
