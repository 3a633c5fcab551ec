/**
 * `polarity demo`: an app, a router and a connector as three processes on this machine, requests through them, and what came
 * back. It stays up for whoever wants to try more.
 */
import { setTimeout as delay } from "node:timers/promises";
import { AdminClient } from "../admin/client.ts";
import { systemClock } from "../base/clock.ts";
import { messageOf } from "../base/errors.ts";
import { CHECKS } from "./demo-checks.ts";
import { DemoProcess, portOrAny } from "./demo-process.ts";
import { EXIT } from "./exit-code.ts";
import { wantsColor } from "./log.ts";
import { StopRequests } from "./stop-requests.ts";

/** Of the app, links, HTTP clients, clients of the Foo Protocol, and the admin API. */
const USUAL_PORTS = [8003, 8000, 8001, 8002, 8088];
/** What a process says whose port is not free. */
const PORT_TAKEN = /something else listens there|EADDRINUSE/;
const SERVICE = "web";
const FOO_SERVICE = "foo";

interface DemoUrls {
  readonly app: string;
  readonly link: string;
  readonly clients: string;
  readonly foo: string;
  readonly admin: string;
}

/** Resolves with the exit code: after the requests if `once`, else when the user ends it. */
export async function runDemo(once: boolean): Promise<number> {
  const demo = new Demo();
  const interrupted = Promise.withResolvers<undefined>();
  const stops = new StopRequests(systemClock);
  const onSignal = (signal: NodeJS.Signals): void => {
    if (stops.receive(signal) === "second") {
      demo.kill();
      process.exit(EXIT.forced);
    }
    interrupted.resolve(undefined);
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  try {
    const outcome = await Promise.race([demo.run(), demo.died, interrupted.promise]);
    if (outcome === undefined) return EXIT.done;
    if (once) return outcome;
    say("Ctrl-C stops all three.");
    await Promise.race([demo.died, interrupted.promise]);
    return EXIT.done;
  } catch (error) {
    say(`\n${paint("31", "✗")} ${messageOf(error)}`);
    return EXIT.failed;
  } finally {
    await demo.stop();
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

class Demo {
  /** In the order in which they were started. */
  readonly #processes: DemoProcess[] = [];
  readonly #death = Promise.withResolvers<never>();

  constructor() {
    this.#death.promise.catch(() => {});
  }

  /** Rejects when one of the processes ends by itself. */
  get died(): Promise<never> {
    return this.#death.promise;
  }

  async run(): Promise<number> {
    say(paint("1", "Polarity demo: three processes on this machine\n"));
    const urls = await this.#start();
    await routeIsThere(urls.admin);
    say(`
  client ──▶ router ◀══ link ══ connector ──▶ app
  The connector dialled the router. Nothing dialled the connector, nor the app behind it.

Requests to ${urls.clients}, each compared with the same request straight to the app:
`);
    let right = 0;
    for (const check of CHECKS) {
      const startedAt = performance.now();
      try {
        const detail = await check.run(urls.clients, urls.app, urls);
        right++;
        const took = paint("2", `${(performance.now() - startedAt).toFixed(1)} ms`);
        say(`  ${paint("32", "✓")} ${check.name.padEnd(48)} ${paint("2", detail)}  ${took}`);
      } catch (error) {
        say(`  ${paint("31", "✗")} ${check.name}\n      ${messageOf(error)}`);
      }
    }
    const all = right === CHECKS.length;
    say(`\n${paint(all ? "32" : "31", `${right} of ${CHECKS.length} right.`)}\n`);
    say(suggestions(urls));
    return all ? EXIT.done : EXIT.failed;
  }

  /** On the usual ports where they are free, else on others, also where another demo took one in the same moment. */
  async #start(): Promise<DemoUrls> {
    try {
      return await this.#startOn(await Promise.all(USUAL_PORTS.map((port) => portOrAny(port))));
    } catch (error) {
      if (!PORT_TAKEN.test(messageOf(error))) throw error;
      await this.stop();
      this.#processes.length = 0;
      return await this.#startOn(USUAL_PORTS.map(() => 0));
    }
  }

  async #startOn([appPort, linkPort, httpPort, fooPort, adminPort]: readonly number[]): Promise<DemoUrls> {
    const app = this.#spawn("app", ["demo-app", "--port", `${appPort}`]);
    const listen = `http://127.0.0.1:${httpPort}=${SERVICE}`;
    const router = this.#spawn(
      "router",
      [
        ["router", "--name", "demo-router", "--log-level", "warn"],
        ["--link", `tcp://127.0.0.1:${linkPort}`, "--listen", listen, "--admin", `http://127.0.0.1:${adminPort}`],
        ["--listen", `tcp://127.0.0.1:${fooPort}=${FOO_SERVICE}`, "--analyze", `${FOO_SERVICE}=foo`],
      ].flat(),
    );
    const [appAt, routerAt] = await Promise.all([app.ready(), router.ready()]);
    const urls = {
      app: appAt.listeners[0] ?? "",
      link: routerAt.links[0] ?? "",
      clients: routerAt.listeners[0] ?? "",
      foo: routerAt.listeners[1] ?? "",
      admin: routerAt.admin ?? "",
    };
    line("app", app, urls.app);
    line("router", router, `clients ${urls.clients} and ${urls.foo}   links ${urls.link}   admin ${urls.admin}`);
    const connector = this.#spawn(
      "connector",
      [
        ["connect", "--name", "demo-connector", "--log-level", "warn"],
        ["--router", urls.link, `${SERVICE}=${urls.app}`, `${FOO_SERVICE}=${appAt.listeners[1]}`],
      ].flat(),
    );
    await connector.ready();
    line("connector", connector, `offers ${SERVICE} and ${FOO_SERVICE}, dials ${urls.link}`);
    return urls;
  }

  #spawn(name: string, args: readonly string[]): DemoProcess {
    const process = new DemoProcess(name, args, (message) => {
      // Whoever waits for it to be ready hears of that, and starts it elsewhere.
      if (!PORT_TAKEN.test(message)) this.#death.reject(new Error(message));
    });
    this.#processes.push(process);
    return process;
  }

  /** The connector first, so that the router sees it go. */
  async stop(): Promise<void> {
    for (const process of this.#processes.toReversed()) await process.stop();
  }

  kill(): void {
    for (const process of this.#processes) process.kill();
  }
}

const ROUTE_WITHIN_MS = 15_000;
const ASK_EVERY_MS = 25;

/** Waits until the router can reach the service, as its admin API tells. */
async function routeIsThere(admin: string): Promise<void> {
  const client = new AdminClient({ url: admin, token: undefined, timeoutMs: ROUTE_WITHIN_MS });
  const deadline = performance.now() + ROUTE_WITHIN_MS;
  while (performance.now() < deadline) {
    const services = await client.services();
    const usable = services.filter((service) => service.usable).map(({ name }) => name);
    if (usable.includes(SERVICE) && usable.includes(FOO_SERVICE)) return;
    await delay(ASK_EVERY_MS);
  }
  throw new Error(`the connector did not join the router within ${ROUTE_WITHIN_MS} ms`);
}

function suggestions({ app, link, clients, foo, admin }: DemoUrls): string {
  const { hostname, port } = new URL(foo);
  return `Try it:
  ${clients}/                                   in a browser: the app's page, forms and a websocket
  curl -d 'a=1&b=2' ${clients}/echo
  curl -F file=@package.json ${clients}/upload
  printf 'REQ 1 Hey\\n' | nc ${hostname} ${port}    the Foo Protocol
  polarity get analyses --node ${admin}    what its analyzer counted there
  polarity status --node ${admin}
  polarity connect ${SERVICE}=${app} --router ${link}    a second connector; the work is shared
`;
}

function line(name: string, process: DemoProcess, text: string): void {
  say(`  ${name.padEnd(10)} ${text}  ${paint("2", `process ${process.pid}`)}`);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function paint(code: string, text: string): string {
  return wantsColor(process.stdout) ? `\u001b[${code}m${text}\u001b[0m` : text;
}
