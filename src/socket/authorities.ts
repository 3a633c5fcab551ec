/**
 * The authorities that vouch for a server where the configuration names none: those that come with Node, those of
 * NODE_EXTRA_CA_CERTS, and those of the system's store, which Node alone leaves out.
 *
 * Reading and parsing them takes some 30 ms once, and each context of its own some milliseconds and megabytes, so the one
 * context that most connections need is shared.
 */
import { createSecureContext, getCACertificates, type SecureContext, type SecureContextOptions } from "node:tls";
import { secureSettings } from "./tls-settings.ts";

let authorities: string[] | undefined;
let shared: SecureContext | undefined;

/** PEM, each once. */
function trustedAuthorities(): string[] {
  authorities ??= [...new Set([...getCACertificates("default"), ...getCACertificates("system")])];
  return authorities;
}

export interface ClientContextOptions {
  /** Trusted instead of the others, PEM. */
  readonly ca?: string | undefined;
  /** Our own certificate and its key, PEM. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** For connections that this node dials. Throws where `ca`, `cert` or `key` cannot be used. */
export function clientContext({ ca, cert, key }: ClientContextOptions): SecureContext {
  const own: SecureContextOptions = cert === undefined || key === undefined ? {} : { cert, key };
  if (ca !== undefined) return createSecureContext({ ...own, ca, ...secureSettings() });
  if (cert !== undefined && key !== undefined) {
    return createSecureContext({ ...own, ca: trustedAuthorities(), ...secureSettings() });
  }
  shared ??= createSecureContext({ ca: trustedAuthorities(), ...secureSettings() });
  return shared;
}
