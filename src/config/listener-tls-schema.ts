/** The `tls` and `hsts` keys of a listener: its certificates, whom it asks for one, and what browsers are told. */
import { z } from "zod";
import { messageOf } from "../base/errors.ts";
import { checkAuthority, readCertificate } from "../socket/certificate.ts";
import { TLS_VERSIONS } from "../socket/tls-settings.ts";
import { choice, duration, file, flag, list, maybe, type ReadFile, section } from "./fields.ts";

export function listenerTlsSection(read: ReadFile) {
  const cert = (): ReturnType<typeof file> =>
    file(read, "The certificate, followed by those of the authorities between it and a root, PEM.");
  const key = (): ReturnType<typeof file> => file(read, "The certificate's private key, PEM, without a passphrase.");
  const pair = section({ cert: cert(), key: key() });
  return section({
    cert: maybe(cert()),
    key: maybe(key()),
    certificates: list(pair, "Several of them: clients get the one for the name that they ask for, else the first."),
    unknownNames: choice(
      ["default", "refuse"],
      "What a client gets that asks for a name of no certificate: the first one, or an alert.",
    ).default("default"),
    clientCa: maybe(file(read, "Certificate authority that clients are asked for a certificate of, PEM.")),
    clientCertificate: choice(
      ["required", "optional"],
      "With `clientCa`: whether a client without a valid certificate is turned away.",
    ).default("required"),
    minVersion: choice(TLS_VERSIONS, "The oldest version of TLS that is spoken.").default("TLSv1.2"),
    handshakeTimeout: duration({
      min: "10ms",
      max: "5m",
      byDefault: "10s",
      help: "How long a TLS handshake may take. Stops connections that never finish it.",
    }),
  }).transform((tls, context) => {
    const problem = (path: (string | number)[], message: string): void => {
      context.issues.push({ code: "custom", input: undefined, path, message });
    };
    const { cert: chain, key: secret, certificates, clientCa, handshakeTimeout, unknownNames, ...rest } = tls;
    const pairs = [...certificates];
    if (chain !== undefined && secret !== undefined) pairs.unshift({ cert: chain, key: secret });
    else if (chain !== undefined || secret !== undefined) {
      const missing = chain === undefined ? "cert" : "key";
      problem([], `a certificate needs both cert and key; ${missing} is missing`);
    } else if (pairs.length === 0) problem([], "set cert and key, or certificates");
    const ahead = pairs.length - certificates.length;
    for (const [index, each] of pairs.entries()) {
      check(
        () => readCertificate(each),
        (message) => problem(index < ahead ? [] : ["certificates", index - ahead], message),
      );
    }
    if (clientCa !== undefined) {
      check(
        () => checkAuthority(clientCa),
        (message) => problem(["clientCa"], message),
      );
    }
    return {
      ...rest,
      certificates: pairs,
      clientCa,
      refuseUnknownNames: unknownNames === "refuse",
      handshakeTimeoutMs: handshakeTimeout,
    };
  });
}

/** `hsts: 365d`, or with keys of its own. Resolves to the field's value. */
export function hstsSection() {
  const keys = section({
    maxAge: duration({
      min: "0s",
      max: "3650d",
      byDefault: "365d",
      help: "How long browsers are to use https only.",
    }),
    includeSubDomains: flag(false, "For the names below this one too."),
    preload: flag(false, "Consent to be built into browsers. Hard to take back."),
  }).transform(({ maxAge, includeSubDomains, preload }) => {
    const parts = [`max-age=${Math.floor(maxAge / 1000)}`];
    if (includeSubDomains) parts.push("includeSubDomains");
    if (preload) parts.push("preload");
    return parts.join("; ");
  });
  return z
    .preprocess((value) => (typeof value === "string" ? { maxAge: value } : value), keys)
    .meta({ polarityText: true });
}

function check(work: () => void, problem: (message: string) => void): void {
  try {
    work();
  } catch (error) {
    problem(messageOf(error));
  }
}
