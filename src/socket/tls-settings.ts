/** What every TLS connection of a node has in common, whichever side it is on: versions, ciphers, and words for failures. */
import { messageOf } from "../base/errors.ts";

export const TLS_VERSIONS = ["TLSv1.2", "TLSv1.3"] as const;
export type TlsVersion = (typeof TLS_VERSIONS)[number];

/** TLS 1.3 as it is; of TLS 1.2 what has forward secrecy and authenticated encryption, which all current clients have. */
const CIPHERS = [
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
].join(":");

/** Goes into the options of every TLS context. */
export interface SecureSettings {
  readonly minVersion: TlsVersion;
  readonly ciphers: string;
}

export function secureSettings(minVersion: TlsVersion = "TLSv1.2"): SecureSettings {
  return { minVersion, ciphers: CIPHERS };
}

export const HTTP_ALPN = "http/1.1";
export const HTTP2_ALPN = "h2";

/** Why a TLS connection failed, for people: the library's words for it name its source lines. */
export function tlsReason(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const words = REASONS[code];
  if (words !== undefined) return words;
  const text = messageOf(error);
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return `the certificate is for another host: ${altNameReason(error)}`;
  // `4023…:error:0A000458:SSL routines:ssl3_read_bytes:tlsv1 unrecognized name:…:918:SSL alert number 112`
  const library = /:SSL routines:[^:]*:([^:]+):/.exec(text)?.[1];
  return library ?? text;
}

/** The same of a server that this node dialled, with who can mend it where it is a question of trust. */
export function serverTlsReason(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const remedy = UNTRUSTED.has(code) ? "; name an authority of your own with --ca, or tls.ca in a file" : "";
  return `${tlsReason(error)}${remedy}`;
}

const UNTRUSTED: ReadonlySet<string> = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
]);

function altNameReason(error: unknown): string {
  return error instanceof Error && "reason" in error ? String(error.reason) : messageOf(error);
}

const REASONS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "the certificate has expired",
  CERT_NOT_YET_VALID: "the certificate is not valid yet",
  CERT_REVOKED: "the certificate was revoked",
  DEPTH_ZERO_SELF_SIGNED_CERT: "the certificate signs itself, and is not trusted here",
  SELF_SIGNED_CERT_IN_CHAIN: "the certificate's authority is not known here",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "the certificate's authority is not known here, or its chain is incomplete",
  UNABLE_TO_GET_ISSUER_CERT: "the certificate's authority is not known here",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "the certificate's authority is not known here",
  INVALID_PURPOSE: "the certificate is not meant for this use",
  ERR_SSL_WRONG_VERSION_NUMBER: "no TLS is spoken there",
  ERR_SSL_PACKET_LENGTH_TOO_LONG: "no TLS is spoken there",
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: "the client showed no certificate",
};
