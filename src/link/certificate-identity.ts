/** Who a verified certificate says that its holder is. */
import type { TLSSocket } from "node:tls";
import { LOCAL_IDENTITY } from "../registry/registry.ts";

/**
 * The subject's common name, else its first alternative name; undefined without a certificate that was verified, and for one
 * that would pass for this node itself.
 */
export function certificateIdentity(socket: TLSSocket): string | undefined {
  if (!socket.authorized) return undefined;
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return undefined;
  const name = commonName(certificate.subject) ?? alternativeName(certificate.subjectAltName);
  return name === LOCAL_IDENTITY ? undefined : name;
}

/** `subject` is one attribute a line: `O=Example`, `CN=phone0`. */
function commonName(subject: string | undefined): string | undefined {
  const line = subject?.split("\n").find((attribute) => attribute.startsWith("CN="));
  return line === undefined || line === "CN=" ? undefined : line.slice(3);
}

/** `names` is `DNS:a.example, URI:spiffe://…`. A name in quotes holds odd characters and is not taken. */
function alternativeName(names: string | undefined): string | undefined {
  const match = names === undefined ? null : /^(?:DNS|URI|email|IP Address):([^",]+)/.exec(names);
  return match?.[1];
}
