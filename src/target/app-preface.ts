/** What an app is told ahead of a connection's bytes: a PROXY header with its client's address. */
import type { Place } from "../base/address.ts";
import { parseIp } from "../base/ip-address.ts";
import { encodeProxyV1, encodeProxyV2, type ProxyAddresses } from "../base/proxy-header.ts";

export type ProxyProtocol = "none" | "v1" | "v2";

/**
 * The header for a connection on behalf of `client` (`host:port`, as streams tell it). A link does not carry which address
 * the client had dialled, so the destination is the app's own, or unspecified where that is a name or of the other family.
 * A client without an IP address is of an unknown family.
 */
export function prefaceFor(version: "v1" | "v2", client: string, app: Place): Buffer {
  const addresses = addressesOf(client, app);
  return version === "v1" ? encodeProxyV1(addresses) : encodeProxyV2(addresses);
}

/** The header for a connection that is this node's own, such as a health check. */
export function ownPreface(version: "v1" | "v2"): Buffer {
  return version === "v1" ? encodeProxyV1(undefined) : encodeProxyV2(undefined, { command: "local" });
}

function addressesOf(client: string, app: Place): ProxyAddresses | undefined {
  const [, bracketed, plain, port = ""] = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(client) ?? [];
  // A zone names an interface of the machine that the client reached.
  const host = (bracketed ?? plain ?? "").replace(/%.*$/s, "");
  const bytes = parseIp(host);
  if (bytes === undefined || Number(port) > 65_535) return undefined;
  const isV4 = bytes.length === 4;
  const destination =
    app.kind === "tcp"
      ? { host: parseIp(app.host) === undefined ? "" : app.host, port: app.port }
      : { host: "", port: 0 };
  return { family: isV4 ? "inet" : "inet6", transport: "stream", source: { host, port: Number(port) }, destination };
}
