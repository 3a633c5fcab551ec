/**
 * The nodes of a mixed load, and every way that leads through them: links of each transport, an app of the router's own, a
 * chain of routers, a node that forwards, and cranker connectors of both versions.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { PolarityNode } from "../../src/node/node.ts";
import { portOf, type RawConfig, startNode as startHere } from "./cluster.ts";
import { startCrankerPeer } from "./cranker-connector.ts";
import { startLoadApps } from "./load-apps.ts";
import type { LoadPlace } from "./load-clients.ts";
import type { AppKind, ClientKind, ConnectionPlan, WayChoice } from "./load-plan.ts";
import { testCertificates } from "./link-media.ts";
import { type Addresses, PolarityProcess } from "./polarity-process.ts";
import { temporaryFolder } from "./servers.ts";
import { replaceFiles } from "./tls-files.ts";

export interface LoadWorld {
  readonly ways: readonly WayChoice[];
  place(plan: Pick<ConnectionPlan, "way" | "client" | "app">): LoadPlace;
  /** What still counts as open at any node, and what failed in its own process; nothing, once a load is over and its clients have gone. */
  left(): string[];
}

const TRANSPORTS = ["tcp", "tls", "ws", "wss", "unix"] as const;
const APPS: readonly AppKind[] = ["h1", "h2", "tls", "unix"];
const HTTP_URL = "http://127.0.0.1:0";

type Listeners = NonNullable<RawConfig["listeners"]>;

/** Where the clients of a way connect, and how the names of its services begin. */
interface Entry {
  readonly http: number | undefined;
  readonly https: number | undefined;
  readonly raw: number | string | undefined;
  readonly prefix: string;
  readonly apps: readonly AppKind[];
}

/** `where`: the nodes are this process's, or each has its own and shows nothing of itself. */
export async function startLoadWorld(t: TestContext, where: "here" | "apart"): Promise<LoadWorld> {
  const folder = temporaryFolder(t);
  const nodes: PolarityNode[] = [];
  const processes: PolarityProcess[] = [];
  const startNode = async (config: RawConfig & { readonly node: { readonly name: string } }): Promise<Addresses> => {
    if (where === "here") {
      const node = await startHere(t, config);
      nodes.push(node);
      return node.addresses;
    }
    const path = join(folder, `${config.node.name}.yaml`);
    writeFileSync(path, JSON.stringify(config));
    const process = new PolarityProcess(t, ["run", "--config", path]);
    processes.push(process);
    return process.ready();
  };
  const { authority, server: certificate } = await testCertificates();
  const files = { cert: join(folder, "edge.crt"), key: join(folder, "edge.key") };
  replaceFiles(files, certificate);
  const apps = await startLoadApps(t, folder, certificate);
  const services = (prefix: string): NonNullable<RawConfig["services"]> => ({
    [`${prefix}-h1`]: { target: apps.h1 },
    [`${prefix}-h2`]: { target: apps.h2 },
    [`${prefix}-tls`]: { target: apps.tls, tls: { ca: authorityFile } },
    [`${prefix}-unix`]: { target: apps.unix, protocol: "http/1.1" },
    [`${prefix}-raw`]: { target: apps.raw },
  });
  const authorityFile = join(folder, "ca.crt");
  replaceFiles({ cert: authorityFile, key: join(folder, "unused.key") }, { cert: authority.cert, key: "" });

  const linked = ["own", ...TRANSPORTS];
  const http: Listeners = [{ url: HTTP_URL }, { url: "https://127.0.0.1:0", tls: { certificates: [files] } }];
  const raw = (name: string): Listeners[number] => ({ url: "tcp://127.0.0.1:0", service: `${name}-raw` });
  const socket = join(folder, "clients.sock");
  const onSocket: Listeners[number] = { url: `unix://${socket}`, service: "tcp-raw" };

  const outer = await startNode({
    node: { name: "outer" },
    links: { accept: [{ url: "tcp://127.0.0.1:0" }] },
    listeners: [...http, ...linked.map(raw)],
  });
  const edge = await startNode({
    node: { name: "edge" },
    links: {
      accept: [
        { url: "tcp://127.0.0.1:0", cranker: true },
        { url: "tcp://127.0.0.1:0", cranker: true, tls: files },
        { url: `unix://${join(folder, "link.sock")}` },
      ],
      dial: [{ url: outer.links[0] ?? "", relay: true }],
    },
    listeners: [...http, ...linked.map(raw), onSocket],
    services: services("own"),
  });
  const [plain = 0, secure = 0] = edge.links.map(portOf);
  const links: Readonly<Record<(typeof TRANSPORTS)[number], string>> = {
    tcp: `tcp://127.0.0.1:${plain}`,
    ws: `ws://127.0.0.1:${plain}`,
    tls: `tls://127.0.0.1:${secure}`,
    wss: `wss://127.0.0.1:${secure}`,
    unix: edge.links[2] ?? "",
  };
  for (const name of TRANSPORTS) {
    const trust = name === "tls" || name === "wss" ? { tls: { ca: authorityFile } } : {};
    await startNode({
      node: { name: `shed-${name}` },
      links: { dial: [{ url: links[name], ...trust }] },
      services: services(name),
    });
  }
  const forwarded = ["tcp-h1", "wss-h2", "own-h1"];
  const forward = await startNode({
    node: { name: "forward" },
    links: { dial: [{ url: links.tcp }] },
    listeners: [...forwarded.map((service) => ({ url: HTTP_URL, service })), raw("tcp"), raw("ws")],
  });
  // A connector of 1.0 has a socket for each request that may come at once: who comes by a chain does not wait for one.
  for (const [version, router, window] of [
    ["1.0", links.ws, 48],
    ["3.0", links.ws, 2],
  ] as const) {
    startCrankerPeer(t, { router, target: apps.h1, route: `crank${version[0]}-h1`, version, window });
  }

  const entries = new Map<string, Entry>();
  for (const [prefix, node] of [
    ["", edge],
    ["outer ", outer],
  ] as const) {
    const [plainHttp = 0, secureHttp = 0, ...raws] = node.listeners.map(portOf);
    for (const [at, name] of linked.entries()) {
      entries.set(`${prefix}${name}`, { http: plainHttp, https: secureHttp, raw: raws[at], prefix: name, apps: APPS });
    }
    for (const name of ["crank1", "crank3"]) {
      entries.set(`${prefix}${name}`, {
        http: plainHttp,
        https: secureHttp,
        raw: undefined,
        prefix: name,
        apps: ["h1"],
      });
    }
  }
  entries.set("own socket", { http: undefined, https: undefined, raw: socket, prefix: "tcp", apps: [] });
  const forwards = forward.listeners.map(portOf);
  for (const [at, service] of forwarded.entries()) {
    const [prefix = "", app] = service.split("-");
    entries.set(`forward ${prefix}`, {
      http: forwards[at],
      https: undefined,
      raw: undefined,
      prefix,
      apps: [app as AppKind],
    });
  }
  entries.set("forward raw", { http: undefined, https: undefined, raw: forwards[3], prefix: "tcp", apps: [] });
  return new World(entries, authority.cert, nodes, processes);
}

class World implements LoadWorld {
  readonly ways: readonly WayChoice[];
  readonly #nodes: readonly PolarityNode[];
  readonly #processes: readonly PolarityProcess[];
  readonly #entries: ReadonlyMap<string, Entry>;
  readonly #ca: string;

  constructor(
    entries: ReadonlyMap<string, Entry>,
    ca: string,
    nodes: readonly PolarityNode[],
    processes: readonly PolarityProcess[],
  ) {
    this.#entries = entries;
    this.#ca = ca;
    this.#nodes = nodes;
    this.#processes = processes;
    this.ways = [...entries].map(([name, { http, https, raw, apps, prefix }]) => {
      const clients: ClientKind[] = [];
      if (http !== undefined) clients.push("h1", "h2");
      if (https !== undefined) clients.push("h1s", "h2s");
      if (raw !== undefined) clients.push("raw");
      return { name, clients, apps, closes: prefix.startsWith("crank") };
    });
  }

  place({ way, client, app }: Pick<ConnectionPlan, "way" | "client" | "app">): LoadPlace {
    const { http, https, raw, prefix } = this.#entries.get(way)!;
    const port = client === "raw" ? raw : client.endsWith("s") ? https : http;
    const to = typeof port === "string" ? { path: port } : { host: "127.0.0.1", port: port! };
    return { to, service: `${prefix}-${app}`, ca: this.#ca };
  }

  left(): string[] {
    const failed = this.#processes.flatMap(({ stderr }) =>
      stderr.split("\n").filter((line) => line.includes("INTERNAL")),
    );
    const open = this.#nodes.flatMap((node) => {
      const { listeners, services, links, node: self } = node.view();
      const gauges = [
        ...listeners.map(
          ({ url, requestsActive, connectionsOpen }) => [url, requestsActive + connectionsOpen] as const,
        ),
        ...services.map(({ name, requestsActive }) => [name, requestsActive] as const),
        ...links.map(({ node: to, streamsOpen }) => [`streams to ${to}`, streamsOpen] as const),
      ];
      return gauges.filter(([, count]) => count !== 0).map(([what, count]) => `${self.name}: ${what}: ${count}`);
    });
    return [...open, ...failed];
  }
}
