/** What the HTTP requests of one listener share, whichever version of HTTP brings them. */
import type { PolarityError } from "../base/errors.ts";
import type { HeadLimits } from "../http/head-limits.ts";
import type { RequestIdentity } from "../http/request-identity.ts";
import type { ListenerStatistics } from "../registry/service-statistics.ts";
import type { ExchangeContext } from "../session/exchange-contract.ts";
import type { RecordSource } from "./access-log.ts";
import type { RequestRates } from "./request-rates.ts";
import type { RouteTable } from "./route-table.ts";

export interface RequestLimits extends HeadLimits {
  readonly headBytesMax: number;
  readonly bodyBytesMax: number;
  readonly headTimeoutMs: number;
  readonly idleTimeoutMs: number;
  /** How long an answer may stand still for a client that closed its side. */
  readonly halfCloseTimeoutMs: number;
  /** How long a client may take nothing of an answer that waits for it. */
  readonly sendTimeoutMs: number;
  /** HTTP/2: requests at once on one connection. */
  readonly streamsMax: number;
  /** HTTP/2: how often a second a client may take requests back that were not answered. */
  readonly resetsPerSecond: number;
}

export interface RequestHost {
  readonly context: ExchangeContext;
  readonly routes: RouteTable;
  readonly limits: RequestLimits;
  /** Undefined where clients may ask as often as they like. */
  readonly rates: RequestRates | undefined;
  readonly waitForOfferMs: number;
  readonly via: string;
  /** Lines that every answer gets, each with its end; mostly empty. */
  readonly responseLines: string;
  readonly statistics: ListenerStatistics;
  /** Gives requests their names; undefined where they get none. */
  readonly identity: RequestIdentity | undefined;
  /** Where requests are recorded; undefined where they are not. */
  readonly records: RecordSource | undefined;
  /** Connections end after the requests under way. */
  readonly draining: boolean;
  /** In [0, 1). */
  readonly random: () => number;
  /** A request to `service` was not answered by it. `client`: its address, empty on a unix socket. */
  failed(client: string, service: string, error: PolarityError): void;
}
