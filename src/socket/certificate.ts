/**
 * A certificate with its key, read from PEM texts: for whom it is, until when, and whether the two belong together.
 *
 * Errors name the file and what is wrong with it. One that has expired is taken: whoever put it there gets a warning, and
 * clients that do not mind can go on.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { messageOf, PolarityError } from "../base/errors.ts";
import { alternativeNames } from "./alternative-names.ts";

/** The contents of a file, and its path. */
export interface PemText {
  readonly origin: string;
  readonly text: string;
}

export interface PemPair {
  readonly cert: PemText;
  readonly key: PemText;
}

export interface Certificate {
  readonly pair: PemPair;
  /** Host names in lower case, `*.` for a wildcard. */
  readonly names: readonly string[];
  /** Milliseconds since 1970. */
  readonly validFrom: number;
  readonly expiresAt: number;
}

/** Throws CONFIG_INVALID. */
export function readCertificate(pair: PemPair): Certificate {
  const { cert, key } = pair;
  const leaf = readLeaf(cert);
  if (!leaf.checkPrivateKey(readKey(key))) throw invalid(key, `it is not the key of the certificate in ${cert.origin}`);
  return {
    pair,
    names: namesOf(leaf),
    validFrom: leaf.validFromDate.getTime(),
    expiresAt: leaf.validToDate.getTime(),
  };
}

/** Throws CONFIG_INVALID unless the text holds nothing but certificates in PEM form. */
export function checkAuthority(ca: PemText): void {
  const blocks = ca.text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) throw invalid(ca, "it holds no certificate in PEM form");
  for (const text of blocks) readLeaf({ origin: ca.origin, text });
}

/** What is wrong with its time, for people; undefined when nothing is. */
export function validityProblem({ pair, validFrom, expiresAt }: Certificate, now: number): string | undefined {
  const { origin } = pair.cert;
  if (expiresAt <= now) return `the certificate in ${origin} expired on ${dateOf(expiresAt)}`;
  if (validFrom > now) return `the certificate in ${origin} is valid from ${dateOf(validFrom)} only`;
  return undefined;
}

export function dateOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

function readLeaf(cert: PemText): X509Certificate {
  if (!cert.text.includes("-----BEGIN CERTIFICATE-----")) throw invalid(cert, "it holds no certificate in PEM form");
  try {
    return new X509Certificate(cert.text);
  } catch (error) {
    throw invalid(cert, `its certificate cannot be read: ${messageOf(error)}`, error);
  }
}

function readKey(key: PemText): KeyObject {
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(key.text)) throw invalid(key, "it holds no private key in PEM form");
  if (key.text.includes("ENCRYPTED")) throw invalid(key, "its key has a passphrase: store it without one");
  try {
    return createPrivateKey(key.text);
  } catch (error) {
    throw invalid(key, `its private key cannot be read: ${messageOf(error)}`, error);
  }
}

/** A certificate without alternative names is for its common name: clients have stopped to think so, operators have not. */
function namesOf(leaf: X509Certificate): string[] {
  const names = alternativeNames(leaf.subjectAltName, "DNS");
  const common = /^CN=([\w.*-]+)$/m.exec(leaf.subject)?.[1];
  const all = leaf.subjectAltName === undefined && common !== undefined ? [common] : names;
  return all.map((name) => name.toLowerCase().replace(/\.$/, ""));
}

function invalid({ origin }: PemText, why: string, cause?: unknown): PolarityError {
  return new PolarityError("CONFIG_INVALID", `${origin}: ${why}`, cause);
}
