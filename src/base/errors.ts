/**
 * Every error that Polarity raises: one registry, one class.
 *
 * A code is the stable name that users match; `fault` says who has to act; `status` is what an HTTP client sees when the
 * error ends its request; `retryable` says that another offer may be tried without the client noticing.
 */

/** Who has to act on an error. */
export type Fault = "client" | "app" | "connector" | "router" | "peer" | "network" | "operator";

interface ErrorKind {
  readonly fault: Fault;
  /** HTTP status for a client, where one is waiting for a response (RFC 9110 §15). */
  readonly status: number;
  /** Nothing of the request reached an app, so that it may be sent to another offer. */
  readonly retryable: boolean;
  readonly summary: string;
}

const define = (fault: Fault, status: number, retryable: boolean, summary: string): ErrorKind => ({
  fault,
  status,
  retryable,
  summary,
});

/** Every code, with who has to act on it, its HTTP status, whether another offer may be tried, and what it means. */
export const ERRORS = Object.freeze({
  // A client's request.
  BAD_REQUEST: define("client", 400, false, "the request breaks HTTP's rules or is ambiguous"),
  NO_ROUTE: define("client", 404, false, "no service is known for this request"),
  SLOW_HEAD: define("client", 408, false, "the request head did not arrive in time"),
  SLOW_BODY: define("client", 408, false, "the request body stopped arriving"),
  BODY_TOO_LARGE: define("client", 413, false, "the request body is larger than is allowed here"),
  TARGET_TOO_LONG: define("client", 414, false, "the request target is longer than is allowed here"),
  HOST_NOT_SERVED: define("client", 421, false, "this listener does not serve that host"),
  LIMITED: define("client", 429, false, "the client asks, or connects, more often than is allowed here"),
  HEAD_TOO_LARGE: define("client", 431, false, "the request head is larger than is allowed here"),
  SLOW_READER: define("client", 408, false, "the client took nothing of an answer that waited for it"),
  PROXY_HEADER_INVALID: define(
    "client",
    400,
    false,
    "a connection does not begin with a PROXY header that can be believed",
  ),
  LOOP_DETECTED: define("operator", 508, false, "the request came back, again, to a router that had sent it on"),
  CLIENT_FLOOD: define("client", 429, false, "the client's HTTP/2 connection costs more than it asks for"),
  OVER_SHARE: define("client", 503, false, "it held more than its share while this node's memory was short"),
  CLIENT_GONE: define("client", 499, false, "the client went away before the end"),
  // An app behind a connector.
  TARGET_UNREACHABLE: define("app", 502, true, "the connector could not connect to the app"),
  TARGET_FAILED: define("app", 502, false, "the app closed the connection before its answer was complete"),
  TARGET_PROTOCOL: define("app", 502, false, "the app's answer breaks HTTP's rules or is ambiguous"),
  TARGET_TIMEOUT: define("app", 504, false, "the app did not answer in time"),
  TARGET_STALLED: define("app", 504, false, "the app stopped in the middle of its answer"),
  ROUTE_TIMEOUT: define("app", 504, false, "no answer began within the time that the route allows"),
  // One-to-N sessions.
  SESSION_LATCHED: define("router", 502, false, "another server of the session answered first"),
  SERVER_TOO_SLOW: define(
    "app",
    504,
    false,
    "a server stayed further behind the others than the session's buffer holds for 2 s",
  ),
  // Offers and links.
  UPGRADE_NOT_CARRIED: define("connector", 501, true, "what serves the request cannot carry an upgrade"),
  NO_OFFER: define("connector", 503, true, "the service is known, but nothing offers it now"),
  NO_CONNECTOR: define("connector", 503, false, "no connector has joined this router"),
  SERVICE_UNKNOWN: define("connector", 502, true, "the far side of the link does not serve that service"),
  LINK_LOST: define("network", 502, false, "the link broke while it carried this stream"),
  LINK_DRAINING: define("connector", 503, true, "the link takes no new streams"),
  STREAM_REFUSED: define("peer", 503, true, "the far side has no room for another stream"),
  SHARE_USED_UP: define(
    "client",
    503,
    true,
    "a link is nearly full, and the client, the node or the service has its share of it already",
  ),
  OVERLOADED: define("router", 503, false, "this node is at its limit of work"),
  // Programs that dial.
  MACHINE_UNKNOWN: define("operator", 404, false, "the resolver knows no router for the machine"),
  DIAL_TIMEOUT: define("network", 504, true, "the service was not reached in the time that the dialler allows"),
  // Link protocol.
  LINK_PROTOCOL: define("peer", 502, false, "the peer broke the link protocol"),
  LINK_LIMIT: define("peer", 502, false, "the peer went past a limit of the link protocol"),
  LINK_TIMEOUT: define("network", 502, false, "the peer fell silent"),
  LINK_UNREACHABLE: define("network", 502, false, "the peer could not be reached"),
  AUTH_FAILED: define("peer", 401, false, "the peer is not who it may be"),
  NAME_TAKEN: define("peer", 403, false, "the service name belongs to another identity"),
  PREAMBLE_INVALID: define("peer", 400, false, "the first line of a stream is not a preamble"),
  // Starting a node.
  NODE_TOO_OLD: define("operator", 500, false, "the program runs on a Node.js that is too old"),
  CONFIG_INVALID: define("operator", 500, false, "the configuration is not valid"),
  ADDRESS_INVALID: define("operator", 500, false, "the address cannot be understood"),
  ADDRESS_IN_USE: define("operator", 500, false, "the address cannot be listened on"),
  INSECURE_LISTENER: define(
    "operator",
    500,
    false,
    "a link or admin listener beyond loopback has neither token nor client certificate",
  ),
  FILE_UNREADABLE: define("operator", 500, false, "a file cannot be read"),
  LINK_UNKNOWN: define("operator", 404, false, "the node has no such link"),
  STATE_UNWRITABLE: define("operator", 500, false, "what is to be kept over restarts cannot be written"),
  FILE_UNWRITABLE: define("operator", 500, false, "a file cannot be written"),
  USAGE: define("operator", 400, false, "the command line cannot be understood"),
  NODE_STOPPED: define("router", 503, false, "the node is stopping"),
  ADMIN_UNREACHABLE: define("operator", 502, false, "no node answers on the admin address"),
  ADMIN_FORBIDDEN: define("client", 403, false, "the admin API does not take this request from there"),
  INTERNAL: define("router", 500, false, "this node failed in a way that it should not"),
} as const satisfies Record<string, ErrorKind>);

/** The stable name of an error; docs/ERRORS.md says of each what to do. */
export type ErrorCode = keyof typeof ERRORS;

/** The one error class. `message` is lower case and carries values; `code` is what callers match. */
export class PolarityError extends Error {
  override readonly name = "PolarityError";
  readonly code: ErrorCode;
  /** When it makes sense to ask again, where that is known. */
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, message: string, cause?: unknown, retryAfterSeconds?: number) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.retryAfterSeconds = retryAfterSeconds;
  }

  get fault(): Fault {
    return ERRORS[this.code].fault;
  }

  get status(): number {
    return ERRORS[this.code].status;
  }

  get retryable(): boolean {
    return ERRORS[this.code].retryable;
  }
}

/** True for a code that this version knows; peers may send others. */
export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code);
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : textOf(error);
  // Node says the address of an abstract unix socket as the system has it.
  return text.includes("\0") ? text.replaceAll("\0", "@") : text;
}

/** Programs throw anything, even what refuses to become a text. */
function textOf(thrown: unknown): string {
  try {
    return String(thrown);
  } catch {
    return "an object that says nothing";
  }
}
