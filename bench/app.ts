/**
 * The app behind the last hop: nginx with one worker, and a sink for uploads.
 *
 * nginx listens twice with the same content and a different `X-App` header, so that a client can tell which of two
 * connectors served it. Bulk files are sparse: they cost no memory and no disk.
 */
import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "./ports.ts";
import type { Child, Processes } from "./processes.ts";
import { waitForPage } from "./measure/probe.ts";
import type { Tools } from "./tools.ts";

export type AppName = "a" | "b";

export interface App {
  readonly port: Readonly<Record<AppName, number>>;
  readonly sinkPort: number;
  /** Files below it are served at /bulk/. */
  readonly bulkFolder: string;
  readonly children: readonly Child[];
}

export const PAGE_BYTES = 128;
export const GIGABYTE = 1_000_000_000;

export interface BulkFile {
  readonly path: string;
  readonly bytes: number;
}

/** Paths of the app, with the sizes that they answer with. */
export const BULK = {
  gigabyte: { path: "/bulk/1g", bytes: GIGABYTE },
  hundredMegabytes: { path: "/bulk/100m", bytes: 100_000_000 },
} as const satisfies Record<string, BulkFile>;

export async function startApp(processes: Processes, tools: Tools, folder: string): Promise<App> {
  const prefix = join(folder, "nginx");
  const bulkFolder = join(prefix, "bulk");
  mkdirSync(bulkFolder, { recursive: true });
  for (const { path, bytes } of Object.values(BULK)) {
    const file = join(prefix, path);
    writeFileSync(file, "");
    truncateSync(file, bytes);
  }
  const port = { a: await freePort(), b: await freePort() };
  const sinkPort = await freePort();
  const config = join(prefix, "nginx.conf");
  writeFileSync(config, nginxConfig(prefix, port));
  const nginx = processes.start("nginx", tools.path("nginx"), ["-p", prefix, "-e", "error.log", "-c", config]);
  const sink = processes.startScript("upload sink", new URL("upload-sink.ts", import.meta.url), { port: sinkPort });
  await waitForPage(port.a, "/", nginx);
  await waitForPage(port.b, "/", nginx);
  await waitForPage(sinkPort, "/", sink);
  return { port, sinkPort, bulkFolder, children: [nginx, sink] };
}

function nginxConfig(prefix: string, port: Readonly<Record<AppName, number>>): string {
  const page = "p".repeat(PAGE_BYTES);
  const server = (name: AppName): string => `
  server {
    listen 127.0.0.1:${port[name]} backlog=4096;
    add_header X-App ${name};
    location / { return 200 "${page}"; }
    location /bulk/ { root ${prefix}; }
  }`;
  return `
daemon off;
master_process off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid ${prefix}/nginx.pid;
error_log ${prefix}/error.log warn;
events { worker_connections 16384; }
http {
  access_log off;
  default_type text/plain;
  sendfile on;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  client_header_timeout 1h;
  client_body_timeout 1h;
  send_timeout 1h;
  client_max_body_size 0;
  client_body_temp_path ${prefix}/body;
  proxy_temp_path ${prefix}/proxy;
  fastcgi_temp_path ${prefix}/fastcgi;
  scgi_temp_path ${prefix}/scgi;
  uwsgi_temp_path ${prefix}/uwsgi;
${server("a")}
${server("b")}
}
`;
}
