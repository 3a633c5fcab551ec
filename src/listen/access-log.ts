/** The access log of a listener, and the record of one request until its line can be written. */
import type { PolarityError } from "../base/errors.ts";
import { type AccessEntry, combinedLine, jsonLine, type QueryPolicy } from "../http/access-line.ts";
import { answeredStatus } from "../http/error-response.ts";
import { forwardedClient } from "../http/forwarded-client.ts";
import { forwardedForOf } from "../http/forwarded-list.ts";
import type { ForwardingContext } from "../http/request-forwarding.ts";
import type { RequestHead } from "../http/request-head.ts";
import { ExchangeJournal } from "../session/exchange-journal.ts";
import type { StreamSession } from "../session/stream-session.ts";
import type { TrustedNetworks } from "./trusted-networks.ts";

export interface AccessLog {
  readonly format: "json" | "combined";
  readonly query: QueryPolicy;
  /** Takes a line of ASCII, its line feed included; never waits, never throws. */
  write(line: string): void;
}

/** Where the requests of one listener are recorded. */
export interface RecordSource {
  readonly log: AccessLog;
  /** The listener's URL. */
  readonly listener: string;
  readonly trusted: TrustedNetworks;
}

/** Made with a request's head, finished once with its end. */
export class RequestRecord extends ExchangeJournal {
  readonly #source: RecordSource;
  readonly #forwarding: ForwardingContext;
  readonly #peer: string;
  readonly #head: RequestHead | undefined;
  readonly #beganAt: number;
  readonly #startedAt: number;
  status = 0;
  service = "";
  requestId = "";

  /**
   * `peer`: the connection's address and port. `head`: undefined where it could not be read. It began to arrive at `beganAt`
   * and was here at `startedAt`, on the context's clock.
   */
  constructor(
    source: RecordSource,
    forwarding: ForwardingContext,
    peer: string,
    head: RequestHead | undefined,
    beganAt: number,
    startedAt: number,
  ) {
    super();
    this.#source = source;
    this.#forwarding = forwarding;
    this.#peer = peer;
    this.#head = head;
    this.#beganAt = beganAt;
    this.#startedAt = startedAt;
  }

  /** It gets our own answer instead of the app's. */
  refused(error: PolarityError): void {
    this.error = error;
    this.status = answeredStatus(error.code, this.#head?.header("content-type") ?? "");
  }

  /** It is over, at `now` on the context's clock. `status` is that of the answer, or none came: then `error` says why. */
  finish(now: number): void {
    const head = this.#head;
    const { log, listener } = this.#source;
    const { httpVersion = `1.${head?.versionMinor ?? 1}` } = this.#forwarding;
    const heard = this.heardAt >= 0;
    const entry: AccessEntry = {
      time: Date.now() - (now - this.#beganAt),
      client: this.#client,
      peer: this.#peer,
      listener,
      protocol: `HTTP/${httpVersion}`,
      method: head?.method ?? "",
      host: head?.host ?? "",
      path: head?.path ?? "",
      referer: head?.header("referer") ?? "",
      userAgent: head?.header("user-agent") ?? "",
      status: this.status === 0 && this.error !== undefined ? this.error.status : this.status,
      bytesIn: this.bytesIn,
      bytesOut: this.bytesOut,
      service: this.service,
      node: this.node,
      attempts: this.attempts,
      requestId: this.requestId,
      error: this.error?.code ?? "",
      headMs: this.#startedAt - this.#beganAt,
      offerMs: this.sentAt < 0 ? -1 : this.sentAt - this.#startedAt,
      firstByteMs: heard ? this.heardAt - this.sentAt : -1,
      responseMs: heard ? now - this.heardAt : -1,
      totalMs: now - this.#beganAt,
    };
    log.write(log.format === "json" ? jsonLine(entry, log.query) : combinedLine(entry, log.query));
  }

  /** Whom a trusted proxy names, or else who the connection is from. */
  get #client(): string {
    const { address, trusted } = this.#forwarding;
    const head = this.#head;
    if (!trusted || head === undefined || !head.hasForwardingFields) return address;
    return forwardedClient(forwardedForOf(head), address, (host) => this.#source.trusted.has(host));
  }
}

/** The line of a raw session; always JSON, for the combined format has no words for it. */
export function writeStreamRecord(
  { log, listener }: RecordSource,
  session: StreamSession,
  address: string,
  error: PolarityError | undefined,
  now: number,
): void {
  const { request, startedAt, journal } = session;
  const sentAt = journal?.sentAt ?? -1;
  const heardAt = journal?.heardAt ?? -1;
  const entry: AccessEntry = {
    time: Date.now() - (now - startedAt),
    client: address,
    peer: request.client,
    listener,
    protocol: request.protocol,
    method: "",
    host: "",
    path: "",
    referer: "",
    userAgent: "",
    status: 0,
    bytesIn: session.bytesIn,
    bytesOut: session.bytesOut,
    service: request.service,
    node: journal?.node ?? "",
    attempts: journal?.attempts ?? 0,
    requestId: "",
    error: error?.code ?? "",
    headMs: -1,
    offerMs: sentAt < 0 ? -1 : sentAt - startedAt,
    firstByteMs: heardAt < 0 ? -1 : heardAt - sentAt,
    responseMs: heardAt < 0 ? -1 : now - heardAt,
    totalMs: now - startedAt,
  };
  log.write(jsonLine(entry, log.query));
}
