/** Answers that send the client elsewhere, without an app (RFC 9110 §15.4). */
import { hostName, refusedHost } from "./host.ts";
import { parseResponseHead, type ResponseHead } from "./response-head.ts";
import { HttpProblem } from "./http-problem.ts";

export const REDIRECT_STATUSES = [301, 302, 303, 307, 308] as const;

export interface Redirect {
  /** Where requests go that came in clear: the same over https. Those that did not go on to the route's service. */
  readonly toHttps: boolean;
  /** Scheme and authority; empty for those of the request. */
  readonly origin: string;
  /** Path and perhaps query; empty for those of the request. */
  readonly target: string;
  /** Of https, where it is not the usual one; 0 for that. */
  readonly port: number;
  readonly status: number;
}

/** What `to` may be: `https`, a URL of http or https, or a path; undefined for anything else. */
export function redirectTo(to: string, status: number, port: number): Redirect | undefined {
  if (to === "https") return { toHttps: true, origin: "", target: "", port, status };
  if (!/^[!-~]+$/.test(to) || to.includes("#") || to.includes("\\")) return undefined;
  if (/^\/(?!\/)/.test(to)) return { toHttps: false, origin: "", target: to, port, status };
  const [, scheme = "", authority = "", target = ""] = /^(https?):\/\/([^/?]+)(\/.*)?$/i.exec(to) ?? [];
  const bytes = Buffer.from(authority, "latin1");
  if (scheme === "" || refusedHost(bytes, 0, bytes.length) !== "") return undefined;
  return { toHttps: false, origin: `${scheme.toLowerCase()}://${authority}`, target, port, status };
}

/** The Location for a request for `host` (with its port) and `path`; empty when the request names no host to stay on. */
export function redirectLocation({ toHttps, origin, target, port }: Redirect, host: string, path: string): string {
  const kept = path.startsWith("/") ? path : "/";
  if (toHttps) {
    const authority = port === 0 ? hostName(host) : `${hostName(host)}:${port}`;
    return host === "" ? "" : `https://${authority}${kept}`;
  }
  return origin + (target === "" ? kept : target);
}

/** The whole answer, as if an app had given it. */
export function redirectResponse(status: number, location: string, method: string): ResponseHead {
  const text = `HTTP/1.1 ${status} ${REASONS[status] ?? "Redirect"}\r\nLocation: ${location}\r\nContent-Length: 0\r\n\r\n`;
  const head = parseResponseHead(text, method);
  if (head instanceof HttpProblem) throw head.toError();
  return head;
}

const REASONS: Readonly<Record<number, string>> = Object.freeze({
  301: "Moved Permanently",
  302: "Found",
  303: "See Other",
  307: "Temporary Redirect",
  308: "Permanent Redirect",
});
