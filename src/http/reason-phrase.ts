/** The standard phrase for the statuses that Polarity itself sends (RFC 9110 §15). */
export function reasonPhrase(status: number): string {
  return REASON_PHRASES[status] ?? "Error";
}

const REASON_PHRASES: Readonly<Record<number, string>> = Object.freeze({
  200: "OK",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  408: "Request Timeout",
  413: "Content Too Large",
  414: "URI Too Long",
  421: "Misdirected Request",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  499: "Client Closed Request",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  508: "Loop Detected",
});
