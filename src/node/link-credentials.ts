/** What links prove and trust, as the files of a configuration say it now, and the certificates among it for people. */
import type { LinkAcceptConfig, LinkDialConfig, NodeConfig } from "../config/node-config.ts";
import type { AcceptorOptions } from "../link/acceptor.ts";
import type { DialCredentials } from "../link/dialer.ts";
import { type Certificate, type PemPair, readCertificate } from "../socket/certificate.ts";

export function acceptCredentials({ tls, tokens }: LinkAcceptConfig): Pick<AcceptorOptions, "tls" | "tokens"> {
  return {
    tls: tls === undefined ? undefined : { cert: tls.cert.text, key: tls.key.text, clientCa: tls.clientCa?.text },
    tokens,
  };
}

export function dialCredentials({ token, tls }: LinkDialConfig): DialCredentials {
  return {
    token: token?.text.trim(),
    tls: {
      ca: tls.ca?.text,
      cert: tls.cert?.text,
      key: tls.key?.text,
      servername: tls.serverName,
      insecureSkipVerify: tls.insecureSkipVerify,
    },
  };
}

/** Cranker connectors do not tell whose they are once they are in; so where some might not be let in again, all go. */
export function endsCrankers(old: LinkAcceptConfig, next: LinkAcceptConfig): boolean {
  if (next.cranker === undefined) return false;
  if (old.tls?.clientCa?.text !== next.tls?.clientCa?.text) return true;
  return old.tokens !== undefined && next.tokens?.covers(old.tokens) !== true;
}

/** Of each place where links are accepted or dialled, with the place's URL. */
export function linkCertificates({
  accept,
  dial,
}: NodeConfig["links"]): { readonly url: string; readonly certificates: readonly Certificate[] }[] {
  return [...accept, ...dial].flatMap(({ address, tls }) => {
    const { cert, key } = tls ?? {};
    const known = cert === undefined || key === undefined ? undefined : certificateOf({ cert, key });
    return known === undefined ? [] : [{ url: address.url, certificates: [known] }];
  });
}

const KNOWN = new WeakMap<object, Certificate>();

/** Asked for with every look at the node, and read once. */
function certificateOf(pair: PemPair): Certificate | undefined {
  const known = KNOWN.get(pair.cert);
  if (known !== undefined) return known;
  try {
    const certificate = readCertificate(pair);
    KNOWN.set(pair.cert, certificate);
    return certificate;
  } catch {
    // Whoever uses it says what is wrong with it.
    return undefined;
  }
}
