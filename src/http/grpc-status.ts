/**
 * Errors as gRPC clients understand them: they look at `grpc-status`, and take every HTTP status but 200 for a broken server.
 *
 * An answer without messages may say its status in the head ("trailers-only"), so ours needs neither body nor trailers.
 */

/** Whether a request's Content-Type is one of gRPC's, or of gRPC-Web's. */
export function isGrpc(contentType: string): boolean {
  return (
    contentType !== "" && /^application\/grpc(?:-web(?:-text)?)?(?:\+[0-9A-Za-z.-]{1,32})?$/i.test(bare(contentType))
  );
}

/** The Content-Type to answer with: that of the request, without its parameters. */
export function grpcContentType(contentType: string): string {
  return bare(contentType).toLowerCase();
}

/**
 * A gRPC status code for an HTTP status. Nearly the table that gRPC's clients apply to HTTP statuses themselves, but what
 * took too long or was too much is said as such, so that it is not tried again at once.
 */
export function grpcStatus(httpStatus: number): number {
  return STATUSES[httpStatus] ?? UNKNOWN;
}

const CANCELLED = 1;
const UNKNOWN = 2;
const DEADLINE_EXCEEDED = 4;
const PERMISSION_DENIED = 7;
const RESOURCE_EXHAUSTED = 8;
const UNIMPLEMENTED = 12;
const INTERNAL = 13;
const UNAVAILABLE = 14;
const UNAUTHENTICATED = 16;

const STATUSES: Readonly<Record<number, number>> = Object.freeze({
  400: INTERNAL,
  401: UNAUTHENTICATED,
  403: PERMISSION_DENIED,
  404: UNIMPLEMENTED,
  408: DEADLINE_EXCEEDED,
  413: RESOURCE_EXHAUSTED,
  414: RESOURCE_EXHAUSTED,
  421: UNIMPLEMENTED,
  429: RESOURCE_EXHAUSTED,
  431: RESOURCE_EXHAUSTED,
  499: CANCELLED,
  500: INTERNAL,
  502: UNAVAILABLE,
  503: UNAVAILABLE,
  504: DEADLINE_EXCEEDED,
});

/** A message for `grpc-message`: UTF-8, percent-encoded but for what may stand there as it is. */
export function grpcMessage(message: string): string {
  let out = "";
  for (const byte of Buffer.from(message, "utf8")) {
    if (byte >= 0x20 && byte <= 0x7e && byte !== PERCENT) out += String.fromCharCode(byte);
    else out += `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return out;
}

const PERCENT = 0x25;

function bare(contentType: string): string {
  const end = contentType.indexOf(";");
  return (end < 0 ? contentType : contentType.slice(0, end)).trim();
}
