/** Changes of protocol (RFC 9110 §7.8): which a request may ask for, and which an app may make of it. */
import { HttpProblem } from "./http-problem.ts";
import { isToken } from "./field-line.ts";

/**
 * Whether an Upgrade field's value is one protocol that may be passed on. HTTP/2 and TLS are not: they would carry requests
 * through the tunnel that no rule here has seen.
 */
export function mayAskFor(protocol: string): boolean {
  const slash = protocol.indexOf("/");
  const name = slash < 0 ? protocol : protocol.slice(0, slash);
  if (!isToken(name) || (slash >= 0 && !isToken(protocol.slice(slash + 1)))) return false;
  const lower = name.toLowerCase();
  return lower !== "h2c" && lower !== "h2" && lower !== "http" && lower !== "tls";
}

/** Whether a 101 is to what the request asked for. Names of protocols have no case in practice. */
export function isAskedFor(protocol: string, asked: string): boolean {
  return asked !== "" && protocol.toLowerCase() === asked.toLowerCase();
}

/** What is wrong with an answer that switches protocols unasked. */
export const UNASKED_TUNNEL = new HttpProblem(
  "TARGET_PROTOCOL",
  "the app's response has status 101, which nobody asked for",
);
