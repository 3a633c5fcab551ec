/** `controller`, `segment` and `config import`: Cloudbus's INI files, run as they are or turned into YAML. */
import { stringify } from "yaml";
import { type CloudbusLinks, type CloudbusRole, loadCloudbusFile, parseCloudbus, readIni } from "../config/cloudbus.ts";
import type { CloudbusFlags } from "./command-flags.ts";
import { EXIT } from "./exit-code.ts";
import { fileOverrides } from "./flag-config.ts";

export async function runCloudbus(role: CloudbusRole, flags: CloudbusFlags): Promise<number> {
  const path = flags.config ?? `${role}.ini`;
  const load = () => loadCloudbusFile(role, path, linksOf(flags), fileOverrides(flags));
  const { config, warnings } = load();
  const { runNode } = await import("./node-runner.ts");
  return runNode({ config, load, warnings });
}

/** The same as YAML on standard output, once it is known to be valid. */
export function importCloudbus(path: string, role: CloudbusRole, flags: CloudbusFlags): number {
  const links = linksOf(flags);
  loadCloudbusFile(role, path, links, {});
  const { raw, warnings } = parseCloudbus(role, readIni(path), path, { ...links, token: undefined });
  for (const warning of warnings) process.stderr.write(`polarity: warning: ${warning}\n`);
  process.stdout.write(`# Of ${path}, as ${role === "controller" ? "a controller" : "a segment"}.\n${stringify(raw)}`);
  return EXIT.done;
}

function linksOf({ tokenFile, tokensFile, insecure }: CloudbusFlags): CloudbusLinks {
  const token = tokenFile === undefined ? process.env["POLARITY_TOKEN"] : undefined;
  return { token, tokenFile, tokensFile, insecure };
}
