/**
 * What an app is told of a client's certificate that was verified: `X-Forwarded-Client-Cert`, in the form that Envoy gave it.
 *
 * Fields that begin with `X-Forwarded-` never travel on from clients that are not trusted, so this one cannot be forged.
 */
import type { TLSSocket } from "node:tls";
import { alternativeNames } from "../socket/alternative-names.ts";

/** What a request's head has room for, whatever an authority signs. */
const SUBJECT_LENGTH_MAX = 1_024;
const NAMES_MAX = 8;
const NAME_LENGTH_MAX = 256;

/** The field's line with its end; empty without a certificate, or with one that was not verified. */
export function clientCertificateLine(socket: TLSSocket): string {
  if (!socket.authorized) return "";
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return "";
  const parts = [`Hash=${certificate.fingerprint256.replaceAll(":", "").toLowerCase()}`];
  const subject = distinguishedName(certificate.subject);
  if (subject.length <= SUBJECT_LENGTH_MAX) parts.push(`Subject="${subject}"`);
  for (const kind of ["URI", "DNS"] as const) {
    const names = alternativeNames(certificate.subjectAltName, kind).slice(0, NAMES_MAX);
    for (const name of names) {
      if (name.length <= NAME_LENGTH_MAX && /^[^\s",;=\u007f-\uffff]+$/.test(name)) parts.push(`${kind}=${name}`);
    }
  }
  return `X-Forwarded-Client-Cert: ${parts.join(";")}\r\n`;
}

/**
 * RFC 4514, from Node's form: an attribute a line, most general first, special characters escaped. Quotes and backslashes
 * become hexadecimal, as do characters beyond ASCII, so that the text stays within quotes and within a head.
 */
function distinguishedName(subject: string | undefined): string {
  return (
    (subject ?? "")
      .split("\n")
      .toReversed()
      // oxlint-disable-next-line no-control-regex -- control characters are what must go
      .map((attribute) => attribute.replaceAll(/\\?["\u0000-\u001f\u007f]|\\\\|[^\u0000-\u007f]+/g, hexadecimal))
      .join(",")
  );
}

function hexadecimal(text: string): string {
  const plain = text.length > 1 && text.startsWith("\\") ? text.slice(1) : text;
  return [...Buffer.from(plain, "utf8")]
    .map((byte) => `\\${byte.toString(16).toUpperCase().padStart(2, "0")}`)
    .join("");
}
