/** How links use TLS: what each side says and asks of the other. */
import { HTTP_ALPN, secureSettings } from "../socket/tls-settings.ts";
import type { TlsGateOptions } from "../socket/tls-gate.ts";

export const LINK_ALPN = "polarity/1";

/** PEM texts. */
export interface TlsServerOptions {
  readonly cert: string;
  readonly key: string;
  /** Authority whose certificates diallers must hold; undefined: none is asked for. */
  readonly clientCa?: string | undefined;
}

export function linkGateOptions({ cert, key, clientCa }: TlsServerOptions): TlsGateOptions {
  const mutual = clientCa !== undefined;
  return {
    cert,
    key,
    ...(mutual ? { ca: clientCa } : {}),
    requestCert: mutual,
    rejectUnauthorized: mutual,
    ALPNProtocols: [LINK_ALPN, HTTP_ALPN],
    ...secureSettings(),
  };
}
