/** What the commands do that talk to a running node through its admin API. */
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { AdminClient } from "../admin/client.ts";
import type { ServiceRequest } from "../admin/service-request.ts";
import { PolarityError } from "../base/errors.ts";
import { reasonOf } from "../config/resolution.ts";
import type { NodeView } from "../node/view.ts";
import type { ClientFlags, OutputFlags, RegisterFlags } from "./command-flags.ts";
import type { OutputFormat, Resource } from "./client-output.ts";
import { dataText, resourceData, resourceText, statusText } from "./client-output.ts";
import { EXIT } from "./exit-code.ts";

const TIMEOUT_MS = 10_000;
const WATCH_EVERY_MS = 1_000;

export function showStatus(flags: OutputFlags): Promise<number> {
  const { output } = flags;
  return show(flags, (view) => (isTable(output) ? statusText(view, output === "wide") : dataText(view, output)));
}

export function showResource(resource: Resource, flags: OutputFlags): Promise<number> {
  const { output } = flags;
  return show(flags, (view) =>
    isTable(output) ? resourceText(view, resource, output === "wide") : dataText(resourceData(view, resource), output),
  );
}

function isTable(output: OutputFormat): output is "table" | "wide" {
  return output === "table" || output === "wide";
}

async function show(flags: OutputFlags, print: (view: NodeView) => string): Promise<number> {
  const client = clientOf(flags);
  if (flags.watch !== true) {
    process.stdout.write(print(await client.view()));
    return EXIT.done;
  }
  for (;;) {
    const text = await client.view().then(print, (error: unknown) => {
      // A node that restarts is worth waiting for; anything else will not change.
      if (error instanceof PolarityError && error.code === "ADMIN_UNREACHABLE") return `${error.message}\n`;
      throw error;
    });
    process.stdout.write(process.stdout.isTTY ? `\u001b[H\u001b[2J${text}` : `${text}\n`);
    await delay(WATCH_EVERY_MS);
  }
}

export async function register(name: string, target: string, flags: RegisterFlags): Promise<number> {
  const { weight, label, protocol, health, settings, keep = false } = flags;
  const given = {
    weight,
    labels: label === undefined ? undefined : Object.fromEntries(label),
    protocol,
    health: health === undefined ? undefined : { path: health },
  };
  const present = Object.entries(given).filter(([, value]) => value !== undefined);
  // The node checks all of it, by the rules of its configuration file.
  const request = { ...settings, ...Object.fromEntries(present), name, target } as ServiceRequest;
  await clientOf(flags).register(request, keep);
  process.stdout.write(`service ${name} is offered, at ${target}${keep ? ", also after a restart" : ""}\n`);
  return EXIT.done;
}

export async function unregister(name: string, flags: ClientFlags): Promise<number> {
  await clientOf(flags).unregister(name);
  process.stdout.write(`service ${name} is offered no more\n`);
  return EXIT.done;
}

export async function setCost(link: string, cost: number, flags: ClientFlags): Promise<number> {
  await clientOf(flags).setCost(link, cost);
  process.stdout.write(`links to ${link} cost ${cost} now\n`);
  return EXIT.done;
}

export async function drain(flags: ClientFlags): Promise<number> {
  await clientOf(flags).drain();
  process.stdout.write("draining\n");
  return EXIT.done;
}

export async function reload(flags: ClientFlags): Promise<number> {
  await clientOf(flags).reload();
  process.stdout.write("configuration reloaded\n");
  return EXIT.done;
}

function clientOf(flags: ClientFlags): AdminClient {
  return new AdminClient({ url: flags.node, token: tokenOf(flags.adminTokenFile), timeoutMs: TIMEOUT_MS });
}

function tokenOf(path: string | undefined): string | undefined {
  if (path === undefined) return process.env["POLARITY_ADMIN_TOKEN"];
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    throw new PolarityError("FILE_UNREADABLE", `--admin-token-file: cannot read ${path}: ${reasonOf(error)}`, error);
  }
}
