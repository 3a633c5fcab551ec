/** How streams to services are opened. */

/** How a stream to a service is opened. */
export interface ConnectOptions {
  /** Aborts the dial and, later, the stream, which is then destroyed with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Milliseconds until somebody must be found who serves the service. Default: the dialer's. */
  readonly timeoutMs?: number;
  /**
   * What the service is offered as. `tcp` (the default): bytes, whatever they mean. `http/1.1`: one HTTP/1.1 exchange, which is
   * what `http://` targets, and HTTP handlers of `serve`, take.
   */
  readonly protocol?: "tcp" | "http/1.1";
  /** True: our side stays open when the other's has ended, until `end`. Default: false, as for `net.connect`. */
  readonly allowHalfOpen?: boolean;
}

/** Which protocol the HTTP clients of a dialer open streams in. */
export interface HttpOptions {
  /** `http/1.1` (the default) for services offered as HTTP; `tcp` for those that take HTTP as bytes. */
  readonly protocol?: "tcp" | "http/1.1";
  /** Milliseconds that each dial may take. Default: the dialer's. */
  readonly timeoutMs?: number;
}
