/** What the serving of one HTTP exchange asks of the target that it is for. */
import type { TargetAddress } from "../base/address.ts";
import type { DenseMember } from "../base/dense-set.ts";
import type { PolarityError } from "../base/errors.ts";
import type { HeadLimits } from "../http/head-limits.ts";
import type { ProxyProtocol } from "./app-preface.ts";
import type { AppPool } from "./app-pool.ts";
import type { AppTls } from "./app-tls.ts";
import type { TargetContext } from "./target.ts";

export interface HttpTargetOptions {
  readonly address: TargetAddress;
  /** Of an https target. */
  readonly tls: AppTls | undefined;
  readonly connectTimeoutMs: number;
  /** How long the app may take to begin its answer. */
  readonly responseTimeoutMs: number;
  /** Silence in the middle of an answer's body; infinite for no limit. */
  readonly stallTimeoutMs: number;
  readonly idleConnectionsMax: number;
  readonly idleMs: number;
  readonly proxyProtocol: ProxyProtocol;
  readonly headLimits: HeadLimits;
  readonly headBytesMax: number;
}

/** One exchange under way, as its target sees it. */
export interface HttpUnderWay extends DenseMember {
  /** What took too long ends. */
  sweep(now: number): void;
  abort(error: PolarityError): void;
}

export interface HttpServingHost {
  readonly url: string;
  readonly context: TargetContext;
  readonly options: HttpTargetOptions;
  readonly pool: AppPool;
  /** Called once an exchange. */
  finished(serving: HttpUnderWay): void;
}
