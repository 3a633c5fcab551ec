/** Certificates as files, in the way that operators and their tools put them there. */
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Certificate, CertificateOptions, TestAuthority } from "./certificates.ts";

export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

/** Writes `NAME.crt` and `NAME.key`. */
export async function certificateFiles(
  folder: string,
  authority: TestAuthority,
  name: string,
  options: CertificateOptions = {},
): Promise<CertificateFiles> {
  const files = { cert: join(folder, `${name}.crt`), key: join(folder, `${name}.key`) };
  replaceFiles(files, await authority.issue({ dns: [name], ...options }));
  return files;
}

/** Each file becomes the new one at once, as certbot and others do it. */
export function replaceFiles({ cert, key }: CertificateFiles, certificate: Certificate): void {
  for (const [path, text] of [
    [key, certificate.key],
    [cert, certificate.cert],
  ] as const) {
    writeFileSync(`${path}.new`, text, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }
}

export function authorityFile(folder: string, authority: TestAuthority, name = "ca.crt"): string {
  const path = join(folder, name);
  writeFileSync(path, authority.cert);
  return path;
}
