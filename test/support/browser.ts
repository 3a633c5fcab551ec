/**
 * Chromium without a window, driven over the DevTools protocol: pages are opened, scripts run in them, files chosen.
 *
 * The protocol runs over two pipes and not over a socket: the browser ends when they close, so it cannot outlive the test,
 * however that ends. Its profile is a folder of its own, and it finds no host but this machine.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import type { TestContext } from "node:test";
import { PATIENCE_MS, soon } from "./patience.ts";
import { temporaryFolder } from "./servers.ts";
import { toolPath } from "./tools.ts";

type Fields = Readonly<Record<string, unknown>>;

interface Incoming {
  readonly id?: number;
  readonly sessionId?: string;
  readonly method?: string;
  readonly params?: Fields;
  readonly result?: Fields;
  readonly error?: { readonly message: string };
}

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-extensions",
  "--disable-crash-reporter",
  "--disable-dev-shm-usage",
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
  "--remote-debugging-pipe",
];

/** A browser for the length of a test. `flags`: besides the usual ones. */
export async function startBrowser(context: TestContext, flags: readonly string[] = []): Promise<Browser> {
  const profile = temporaryFolder(context);
  const child = spawn(toolPath("chromium")!, [...FLAGS, `--user-data-dir=${profile}`, ...flags, "about:blank"], {
    env: { ...process.env, HOME: profile },
    stdio: ["ignore", "ignore", "pipe", "pipe", "pipe"],
    // A group of its own, so that its many processes can be ended together.
    detached: true,
  });
  const browser = new Browser(child);
  context.after(() => browser.close());
  await browser.send("Browser.getVersion");
  return browser;
}

export class Browser {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly #calls = new Map<number, PromiseWithResolvers<Fields>>();
  readonly #pages = new Map<string, Page>();
  #sent = 0;
  #partial = "";
  #said = "";

  constructor(child: ChildProcess) {
    this.#child = child;
    this.#ended = once(child, "exit");
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#said = (this.#said + text).slice(-4_000);
    });
    const incoming = child.stdio[4] as Readable;
    incoming.setEncoding("utf8").on("data", (text: string) => this.#receive(text));
    incoming.on("error", () => {});
    (child.stdio[3] as Writable).on("error", () => {});
    child.on("exit", () => {
      for (const call of this.#calls.values()) call.reject(new Error(`the browser has ended: ${this.#said}`));
    });
  }

  /** A new page with cookies, cache and storage of its own. */
  async open(url: string): Promise<Page> {
    const { browserContextId } = await this.send("Target.createBrowserContext");
    const { targetId } = await this.send("Target.createTarget", { url: "about:blank", browserContextId });
    const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
    const page = new Page(this, String(sessionId), String(targetId));
    this.#pages.set(String(sessionId), page);
    await page.send("Page.enable");
    await page.send("Network.enable");
    await page.visit(url);
    return page;
  }

  /** Calls a method of the protocol. */
  send(method: string, params: Fields = {}, sessionId?: string): Promise<Fields> {
    const id = ++this.#sent;
    const call = Promise.withResolvers<Fields>();
    this.#calls.set(id, call);
    (this.#child.stdio[3] as Writable).write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return soon(`the browser's answer to ${method} (it said ${this.#said})`, call.promise);
  }

  async close(): Promise<void> {
    for (const stream of this.#child.stdio) stream?.destroy();
    // It would end by itself; what it started may take longer.
    try {
      process.kill(-this.#child.pid!, "SIGKILL");
    } catch {
      // All of it has gone already.
    }
    await this.#ended;
  }

  #receive(text: string): void {
    const messages = (this.#partial + text).split("\0");
    this.#partial = messages.pop() ?? "";
    for (const message of messages) this.#take(JSON.parse(message) as Incoming);
  }

  #take({ id, sessionId, method, params, result, error }: Incoming): void {
    if (id === undefined) {
      this.#pages.get(sessionId ?? "")?.hears(method ?? "", params ?? {});
      return;
    }
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    if (error === undefined) call?.resolve(result ?? {});
    else call?.reject(new Error(error.message));
  }
}

export class Page {
  readonly #browser: Browser;
  readonly #session: string;
  readonly #target: string;
  readonly #protocols = new Map<string, string>();
  #loaded = Promise.withResolvers<void>();

  constructor(browser: Browser, session: string, target: string) {
    this.#browser = browser;
    this.#session = session;
    this.#target = target;
  }

  send(method: string, params: Fields = {}): Promise<Fields> {
    return this.#browser.send(method, params, this.#session);
  }

  async visit(url: string): Promise<void> {
    await this.navigated(async () => {
      const { errorText } = await this.send("Page.navigate", { url });
      if (errorText !== undefined) throw new Error(`${url}: ${JSON.stringify(errorText)}`);
    });
  }

  /** Does what leads to another page, and waits until that has loaded. */
  async navigated(act: () => Promise<unknown>): Promise<void> {
    this.#loaded = Promise.withResolvers();
    await act();
    await soon("the page to load", this.#loaded.promise);
  }

  /** Runs the body of an async function in the page; resolves with what it returns. */
  async run<Value>(body: string): Promise<Value> {
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", {
      expression: `(async () => { ${body} })()`,
      awaitPromise: true,
      returnByValue: true,
      userGesture: true,
      timeout: PATIENCE_MS,
    });
    if (exceptionDetails !== undefined) throw new Error(`in the page: ${JSON.stringify(exceptionDetails)}`);
    return (result as { value: Value }).value;
  }

  /** As a user would in the dialogue of a file input. */
  async choose(selector: string, file: string): Promise<void> {
    const { root } = (await this.send("DOM.getDocument")) as { root: { nodeId: number } };
    const { nodeId } = await this.send("DOM.querySelector", { nodeId: root.nodeId, selector });
    await this.send("DOM.setFileInputFiles", { nodeId, files: [file] });
  }

  /** The version of HTTP by which the newest answer for this URL came: `http/1.1`, `h2`. */
  protocolOf(url: string): string | undefined {
    return this.#protocols.get(url);
  }

  async close(): Promise<void> {
    await this.#browser.send("Target.closeTarget", { targetId: this.#target });
  }

  hears(method: string, params: Fields): void {
    if (method === "Page.loadEventFired") this.#loaded.resolve();
    if (method === "Network.responseReceived") {
      const { url, protocol } = params["response"] as { url: string; protocol: string };
      this.#protocols.set(url, protocol);
    }
  }
}
