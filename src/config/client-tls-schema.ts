/** The `tls` keys of whatever this node connects to: whom to trust, and who to be. */
import { messageOf } from "../base/errors.ts";
import { checkAuthority, readCertificate } from "../socket/certificate.ts";
import { file, flag, maybe, type ReadFile, section, text } from "./fields.ts";

export function clientTlsSection(read: ReadFile) {
  return section({
    ca: maybe(file(read, "Certificate authority to trust instead of the system's, PEM.")),
    cert: maybe(file(read, "This node's certificate chain, PEM.")),
    key: maybe(file(read, "The certificate's private key, PEM.")),
    serverName: maybe(text("a host name", "The name to expect in the certificate instead of the URL's host.")),
    insecureSkipVerify: flag(false, "Do not check the certificate."),
  }).transform((tls, context) => {
    const problem = (path: string[], message: string): void => {
      context.issues.push({ code: "custom", input: undefined, path, message });
    };
    const { ca, cert, key } = tls;
    if ((cert === undefined) !== (key === undefined)) {
      problem([], `a client certificate needs both cert and key; ${cert === undefined ? "cert" : "key"} is missing`);
    }
    try {
      if (cert !== undefined && key !== undefined) readCertificate({ cert, key });
    } catch (error) {
      problem([], messageOf(error));
    }
    try {
      if (ca !== undefined) checkAuthority(ca);
    } catch (error) {
      problem(["ca"], messageOf(error));
    }
    return tls;
  });
}

/** Whether anything is set: for what needs TLS to make sense. */
export function isTlsSet(tls: object): boolean {
  return Object.values(tls).some((value) => value !== undefined && value !== false);
}
