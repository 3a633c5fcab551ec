/** Who a verified certificate says that its holder is. */
import type { TLSSocket } from "node:tls";
import { PolarityError } from "../base/errors.ts";
import { ANONYMOUS_IDENTITY, reservedIdentity } from "../base/identity.ts";
import type { LinkSide } from "./link-context.ts";

/** The subject's common name, else its first alternative name; undefined without a certificate that was verified. */
export function certificateIdentity(socket: TLSSocket): string | undefined {
  if (!socket.authorized) return undefined;
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return undefined;
  return commonName(certificate.subject) ?? alternativeName(certificate.subjectAltName);
}

/** Of a node that was dialled: what the dialler was told of it, else the name in its certificate. Throws AUTH_FAILED. */
export function acceptorIdentity(side: LinkSide, certified: string | undefined): string {
  if (side.kind === "dialler" && side.identity !== undefined) return side.identity;
  const remedy = "say who this router is with links.dial[].identity, or give it a certificate of another name";
  return checkCertified(certified, remedy) ?? ANONYMOUS_IDENTITY;
}

/** The name, if it may be an identity. Throws AUTH_FAILED. */
export function checkCertified<Name extends string | undefined>(name: Name, remedy: string): Name {
  const reserved = name === undefined ? undefined : reservedIdentity(name);
  if (reserved === undefined) return name;
  throw new PolarityError(
    "AUTH_FAILED",
    `the certificate is named ${JSON.stringify(name)}, and ${reserved}: ${remedy}`,
  );
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
