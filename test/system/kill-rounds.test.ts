/**
 * Any one router or connector is killed under load, one after another: every GET is answered, and those that begin afterwards
 * within a second.
 *
 * A client whose own router dies has to go to the other one itself, once; nothing else may break a connection. Clients of a
 * node that forwards, with links to both routers, do not even have to do that.
 */
import assert from "node:assert/strict";
import type { Agent } from "node:http";
import { test, type TestContext } from "node:test";
import { AdminClient } from "../../src/admin/client.ts";
import { startHttpApp } from "../support/apps.ts";
import { portOf, startNode } from "../support/cluster.ts";
import { ask, keepAliveAgent } from "../support/http-client.ts";
import { until } from "../support/patience.ts";
import { type Addresses, PolarityProcess } from "../support/polarity-process.ts";

const CLIENTS_OF_EACH = 4;
const NEW_WITHIN_MS = 1_000;
const REQUESTS_OF_EACH = 10;
const LINKS = 5;
/** So that requests are under way at every moment, without the machine being busy with them alone. */
const ANSWER_MS = 30;

test(
  "killing any one router or connector under load loses no GET, and new ones are answered within a second",
  { timeout: 110_000 },
  async (t) => {
    const app = await startHttpApp(t, (request, response) => {
      request.resume();
      setTimeout(() => response.end(request.url), ANSWER_MS);
    });
    const [edge1, edge2] = await Promise.all([startRouter(t, "edge-1"), startRouter(t, "edge-2")]);
    const routers = [edge1, edge2].map(({ addresses }) => addresses.links[0]!);
    const connect = ["connect", `web=${app.url}`, ...routers.flatMap((url) => ["--router", url])];
    const [shed, barn, forward] = await Promise.all([
      start(t, [...connect, "--name", "shed", "--links", String(LINKS)]),
      start(t, [...connect, "--name", "barn"]),
      // As `polarity forward`; nobody kills it, so that it needs no process.
      startNode(t, {
        links: { dial: routers.map((url) => ({ url })) },
        listeners: [{ url: "http://127.0.0.1:0", service: "web" }],
      }),
    ]);
    // Half of them are not started again, so that the last one goes while another is gone already.
    const victims = [
      { victim: edge1, returns: true },
      { victim: shed, returns: true },
      { victim: edge2, returns: false },
      { victim: barn, returns: false },
    ];
    const complete = async (): Promise<void> => {
      await Promise.all([edge1, edge2].map((edge) => offeredAt(edge, LINKS + 1)));
      await until(
        "both links of forward",
        () => forward.view().links.filter(({ state }) => state === "up").length === 2,
      );
    };
    await complete();

    const ports = [edge1.addresses, edge2.addresses, forward.addresses].map(({ listeners }) => portOf(listeners[0]!));
    const [port1, port2, forwardPort] = [ports[0]!, ports[1]!, ports[2]!];
    const entries = [
      { home: port1, other: port2 },
      { home: port2, other: port1 },
      { home: forwardPort, other: undefined },
    ];
    const load = new Load();
    t.after(() => {
      load.stopped = true;
    });
    const clients = entries.flatMap(({ home, other }) => {
      const agent = keepAliveAgent(t, CLIENTS_OF_EACH);
      return Array.from({ length: CLIENTS_OF_EACH }, () => load.run(home, other, agent));
    });
    for (const { victim, returns } of victims) {
      await load.more(clients.length * REQUESTS_OF_EACH);
      const port = portOf(victim.addresses.listeners[0] ?? ":0");
      load.died.add(port);
      load.slowestNewMs = 0;
      load.changedAt = performance.now();
      await victim.kill();
      await load.more(clients.length * REQUESTS_OF_EACH);
      const slowest = Math.round(load.slowestNewMs);
      assert.ok(slowest < NEW_WITHIN_MS, `${victim.name} was killed, and a new request took ${slowest} ms`);
      if (!returns) continue;
      await victim.startAgain();
      await complete();
      await load.more(clients.length * REQUESTS_OF_EACH);
      load.died.delete(port);
    }
    load.stopped = true;
    await Promise.all(clients);
    assert.deepEqual(load.problems, []);
    assert.ok(load.movedToOther > 0, "clients were at the routers that were killed");
  },
);

/** Clients that ask for one thing after another. */
class Load {
  stopped = false;
  /** Of routers that were killed, until they are back: their clients' connections may break. */
  readonly died = new Set<number>();
  changedAt = 0;
  /** Among the requests that began after `changedAt`. */
  slowestNewMs = 0;
  movedToOther = 0;
  readonly problems: string[] = [];
  #answered = 0;

  async run(home: number, other: number | undefined, agent: Agent): Promise<void> {
    for (let count = 0; !this.stopped; count++) {
      const startedAt = performance.now();
      const problem = await this.#get(home, other, agent, `/web/${home}/${count}`);
      if (problem !== undefined) this.problems.push(problem);
      if (startedAt >= this.changedAt) {
        this.slowestNewMs = Math.max(this.slowestNewMs, performance.now() - startedAt);
      }
      this.#answered++;
    }
  }

  /** Resolves when so many more requests are over, or one went wrong. */
  async more(count: number): Promise<void> {
    const goal = this.#answered + count;
    await until(`${count} more requests`, () => this.#answered >= goal || this.problems.length > 0, 30_000);
    assert.deepEqual(this.problems, []);
  }

  /** Undefined when all is well. */
  async #get(home: number, other: number | undefined, agent: Agent, path: string): Promise<string | undefined> {
    try {
      return wrong(await ask(home, { path, agent }), path);
    } catch (error) {
      if (other === undefined || !this.died.has(home)) return `${home}: ${String(error)}`;
      this.movedToOther++;
      return await ask(other, { path }).then(
        (answer) => wrong(answer, path),
        (reason: unknown) => `${other}, after ${home}: ${String(reason)}`,
      );
    }
  }
}

function wrong({ status, text }: { readonly status: number; readonly text: string }, path: string): string | undefined {
  return status === 200 && text === path ? undefined : `${path}: ${status} ${text}`;
}

/** A node that may be killed and started again where it was. */
interface Mortal {
  readonly name: string;
  readonly addresses: Addresses;
  kill(): Promise<void>;
  startAgain(): Promise<void>;
}

async function start(context: TestContext, line: readonly string[]): Promise<Mortal> {
  let node = new PolarityProcess(context, line);
  const addresses = await node.ready();
  const bound = new Map([
    ["--link", addresses.links],
    ["--listen", addresses.listeners],
    ["--admin", [addresses.admin ?? ""]],
  ]);
  const sameAgain = line.map((word, index) => bound.get(line[index - 1] ?? "")?.[0] ?? word);
  return {
    name: line[line.indexOf("--name") + 1] ?? "",
    addresses,
    kill: async () => {
      node.signal("SIGKILL");
      await node.exited;
    },
    startAgain: async () => {
      node = new PolarityProcess(context, sameAgain);
      await node.ready();
    },
  };
}

function startRouter(context: TestContext, name: string): Promise<Mortal> {
  const places = ["--link", "tcp://127.0.0.1:0", "--listen", "http://127.0.0.1:0", "--admin", "http://127.0.0.1:0"];
  return start(context, ["router", "--name", name, ...places]);
}

async function offeredAt(router: Mortal, count: number): Promise<void> {
  await until(`${count} links offer web at ${router.name}`, async () => {
    const services = await adminOf(router).services();
    const offers = services.find(({ name }) => name === "web")?.offers ?? [];
    return offers.filter(({ usable }) => usable).length === count;
  });
}

function adminOf({ addresses }: Mortal): AdminClient {
  return new AdminClient({ url: addresses.admin ?? "", token: undefined, timeoutMs: 5_000 });
}
