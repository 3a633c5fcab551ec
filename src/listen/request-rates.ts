/**
 * How often clients may ask: each client by itself, and all of a listener's together. Over HTTP requests count, over raw
 * listeners connections do.
 */
import { ClientBuckets } from "../balance/client-buckets.ts";
import { type Rate, TokenBucket } from "../balance/token-bucket.ts";
import { PolarityError } from "../base/errors.ts";
import { clientKey } from "../base/ip-address.ts";
import { forwardedClient } from "../http/forwarded-client.ts";
import { type ForwardingContext, saidBefore } from "../http/request-forwarding.ts";
import type { RequestHead } from "../http/request-head.ts";
import type { TrustedNetworks } from "./trusted-networks.ts";

export interface RateOptions {
  readonly client: Rate | undefined;
  readonly total: Rate | undefined;
}

/** Clients that are remembered at once; only those who have asked of late need be. */
export const RATE_CLIENTS_MAX = 65_536;
const FORGET_EACH_SWEEP = 1_000;

export class RequestRates {
  readonly #options: RateOptions;
  readonly #trusted: TrustedNetworks;
  readonly #clients: ClientBuckets | undefined;
  readonly #total: TokenBucket | undefined;

  private constructor(options: RateOptions, trusted: TrustedNetworks, now: number, present: RequestRates | undefined) {
    const { client, total } = options;
    this.#options = options;
    this.#trusted = trusted;
    const keepsClients = present !== undefined && sameRate(present.#options.client, client);
    const keepsTotal = present !== undefined && sameRate(present.#options.total, total);
    if (client !== undefined) {
      this.#clients = keepsClients ? present.#clients : new ClientBuckets(client, RATE_CLIENTS_MAX);
    }
    if (total !== undefined) this.#total = keepsTotal ? present.#total : new TokenBucket(total, now);
  }

  /** Undefined where nothing is limited. What `present` counts under the same rates goes on. */
  static of(
    options: RateOptions,
    trusted: TrustedNetworks,
    now: number,
    present: RequestRates | undefined,
  ): RequestRates | undefined {
    if (options.client === undefined && options.total === undefined) return undefined;
    return new RequestRates(options, trusted, now, present);
  }

  /** Why an HTTP request may not pass. It counts for who a trusted proxy says that it is from. */
  refusesRequest(head: RequestHead, forwarding: ForwardingContext, now: number): PolarityError | undefined {
    const { address, trusted } = forwarding;
    if (!trusted || this.#clients === undefined) return this.refuses(address, now);
    // Whichever of the forwarding fields the proxy speaks.
    const list = head.hasForwardingFields ? saidBefore(head).addresses : "";
    return this.refuses(
      forwardedClient(list, address, (host) => this.#trusted.has(host)),
      now,
    );
  }

  /** The same for anything that `host` asks; it is empty on a unix socket, where clients are not told apart. */
  refuses(host: string, now: number): PolarityError | undefined {
    if (this.#clients !== undefined && host !== "") {
      const wait = this.#clients.take(clientKey(host), now);
      if (wait > 0) return limited(`the client ${host} asks`, this.#clients.rate, wait);
    }
    const wait = this.#total?.take(now) ?? 0;
    return wait === 0 ? undefined : limited("all clients of this listener together ask", this.#total!.rate, wait);
  }

  sweep(now: number): void {
    this.#clients?.forget(now, FORGET_EACH_SWEEP);
  }
}

function limited(who: string, { requests, perMs, burst }: Rate, waitMs: number): PolarityError {
  const message = `${who} for more than ${requests} in ${perMs} ms (${burst} at once): the next may pass in ${waitMs} ms`;
  return new PolarityError("LIMITED", message, undefined, Math.max(1, Math.ceil(waitMs / 1000)));
}

function sameRate(one: Rate | undefined, other: Rate | undefined): boolean {
  return one?.requests === other?.requests && one?.perMs === other?.perMs && one?.burst === other?.burst;
}
