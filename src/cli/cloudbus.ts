/** `controller`, `segment` and `config import`: Cloudbus's INI files, run as they are or turned into YAML. */
import { resolve } from "node:path";
import { stringify } from "yaml";
import type { Logger } from "../base/clock.ts";
import { type CloudbusLinks, type CloudbusRole, loadCloudbusFile, parseCloudbus, readIni } from "../config/cloudbus.ts";
import type { CloudbusFlags } from "./command-flags.ts";
import { EXIT } from "./exit-code.ts";
import { fileOverrides } from "./flag-config.ts";
import { SegmentWatch } from "./segment-watch.ts";

export async function runCloudbus(role: CloudbusRole, flags: CloudbusFlags): Promise<number> {
  const path = flags.config ?? `${role}.ini`;
  const load = () => loadCloudbusFile(role, path, fromHere(linksOf(flags)), fileOverrides(flags));
  const loaded = load();
  const { runNode } = await import("./node-runner.ts");
  let watch: SegmentWatch | undefined;
  const reload = () => {
    const next = load();
    if (watch !== undefined) watch.expected = next.expected;
    return next;
  };
  const observe = (logger: Logger) => (watch = new SegmentWatch(loaded.expected, logger));
  return runNode({ loaded, load: reload, fromFlags: false, observe });
}

/** The same as YAML on standard output, once it is known to be valid. */
export function importCloudbus(path: string, role: CloudbusRole, flags: CloudbusFlags): number {
  const links = linksOf(flags);
  loadCloudbusFile(role, path, fromHere(links), {});
  const { raw, warnings } = parseCloudbus(role, readIni(path), path, { ...links, token: undefined });
  for (const warning of warnings) process.stderr.write(`polarity: warning: ${warning}\n`);
  process.stdout.write(`# Of ${path}, as ${role === "controller" ? "a controller" : "a segment"}.\n${stringify(raw)}`);
  return EXIT.done;
}

/** What flags name is where the command was given, and not where the file is. */
function fromHere({ tokenFile, tokensFile, ca, tlsCert, tlsKey, ...rest }: CloudbusLinks): CloudbusLinks {
  const here = (path: string | undefined): string | undefined => (path === undefined ? undefined : resolve(path));
  const [cert, key] = [here(tlsCert), here(tlsKey)];
  return {
    ...rest,
    tokenFile: here(tokenFile),
    tokensFile: here(tokensFile),
    ca: here(ca),
    tlsCert: cert,
    tlsKey: key,
  };
}

function linksOf({ tokenFile, tokensFile, insecure, ca, tlsCert, tlsKey }: CloudbusFlags): CloudbusLinks {
  const token = tokenFile === undefined ? process.env["POLARITY_TOKEN"] : undefined;
  return { token, tokenFile, tokensFile, insecure, ca, tlsCert, tlsKey };
}
