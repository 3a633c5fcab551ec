/**
 * Fields by which proxies tell apps who the client is and what it asked for: any client can send them, and apps believe them.
 *
 * Who is not a trusted proxy loses them. Names in lower case.
 */

/** Whether an app could take the field's word for the client's address, or for the scheme, host or path that it used. */
export function claimsClient(name: string): boolean {
  return name.startsWith(FORWARDED_PREFIX) || CLIENT_FIELDS.has(name);
}

/** X-Forwarded-For, -Proto, -Host, -Port, -Server, -Prefix, -Ssl, -Scheme, -By, and whatever else begins so. */
const FORWARDED_PREFIX = "x-forwarded-";

/** Those that are not in the `X-` family; the head's parser knows them by their first letter. */
export const PLAIN_CLIENT_FIELDS = [
  "cf-connecting-ip",
  "cf-connecting-ipv6",
  "client-ip",
  "fastly-client-ip",
  "fly-client-ip",
  "forwarded",
  "front-end-https",
  "true-client-ip",
  "wl-proxy-client-ip",
] as const;

const CLIENT_FIELDS: ReadonlySet<string> = new Set([
  ...PLAIN_CLIENT_FIELDS,
  "x-appengine-user-ip",
  "x-azure-clientip",
  "x-client-ip",
  "x-cluster-client-ip",
  "x-envoy-external-address",
  "x-forwarded",
  "x-host",
  "x-original-forwarded-for",
  "x-original-host",
  "x-original-uri",
  "x-original-url",
  "x-originating-ip",
  "x-proxyuser-ip",
  "x-real-ip",
  "x-remote-addr",
  "x-remote-ip",
  "x-rewrite-url",
  "x-scheme",
  "x-url-scheme",
]);

/** What a client may not have removed on its behalf by naming it in Connection: framing, routing and identity. */
export function isProtected(name: string): boolean {
  return PROTECTED.has(name) || claimsClient(name) || name.startsWith("content-");
}

const PROTECTED: ReadonlySet<string> = new Set([
  "host",
  "transfer-encoding",
  "te",
  "trailer",
  "expect",
  "traceparent",
  "tracestate",
  "via",
  "x-request-id",
  "x-service-id",
  "authorization",
  "cookie",
  "cache-control",
]);
