/** Routers that take cranker connectors, and clients that are slow with what comes of it. */
import { connect, type Socket } from "node:net";
import type { TestContext } from "node:test";
import { offered, type Router, startRouter } from "./cluster.ts";
import { RawConnector, type RawSettings } from "./cranker-socket.ts";

/** `cranker` as in the configuration. */
interface Options {
  readonly cranker?: boolean | { readonly responseTimeout: string };
  readonly waitForOffer?: string;
}

export function startCrankerRouter(
  context: TestContext,
  { cranker = true, waitForOffer = "5s" }: Options = {},
): Promise<Router> {
  return startRouter(context, [{ url: "http://127.0.0.1:0", waitForOffer }], {
    links: { accept: [{ url: "tcp://127.0.0.1:0", cranker }] },
  });
}

/** With one scripted connector. */
export async function startRaw(
  context: TestContext,
  settings: RawSettings,
  options: Options = {},
): Promise<Router & { readonly raw: RawConnector }> {
  const router = await startCrankerRouter(context, options);
  const raw = await new RawConnector(context, router.link, settings).opened();
  await offered(router.node, settings.route ?? "web");
  return { ...router, raw };
}

/** A client that takes no byte of its answer. */
export function stall(context: TestContext, port: number, path: string): Socket {
  const socket = connect(port, "127.0.0.1");
  context.after(() => socket.destroy());
  socket.on("error", () => {});
  socket.pause();
  socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
  return socket;
}
