/** The few lines that a person sees when a node has started. */
import type { NodeConfig } from "../config/node-config.ts";
import type { BoundAddresses } from "./parent.ts";

export function startReport(config: NodeConfig, addresses: BoundAddresses): string {
  const lines = [`polarity node ${config.node.name}, process ${process.pid}`];
  for (const url of addresses.links) lines.push(`  links     ${url}`);
  for (const [index, url] of addresses.listeners.entries()) {
    const listener = config.listeners[index];
    lines.push(`  clients   ${url}${listener?.service === undefined ? "" : `  to ${fullName(listener)}`}`);
  }
  for (const { name, target } of config.services) lines.push(`  service   ${name}  at ${target.url}`);
  for (const { address, links } of config.links.dial) {
    lines.push(`  router    ${address.url}${links > 1 ? `  (${links} links)` : ""}`);
  }
  if (addresses.admin !== undefined) lines.push(`  admin     ${addresses.admin}`);
  if (addresses.http !== undefined) lines.push(`  figures   ${addresses.http}/stats`);
  lines.push("Ctrl-C drains and stops.", "");
  return lines.map((line) => `${line}\n`).join("");
}

function fullName(listener: { readonly service: string | undefined; readonly node: string | undefined }): string {
  return listener.node === undefined ? `${listener.service}` : `${listener.node}.${listener.service}`;
}
