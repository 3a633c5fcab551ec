import { lookup } from "node:dns/promises";

/** All addresses of a host, of both families, as the system resolves them: files, DNS, or whatever it is set up for. */
export async function lookUpHost(host: string): Promise<readonly string[]> {
  const found = await lookup(host, { all: true, order: "verbatim" });
  return found.map(({ address }) => address);
}
