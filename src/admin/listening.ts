/** Binds a server to an address, and says in words why it cannot. */
import { chmodSync, unlinkSync } from "node:fs";
import { connect } from "node:net";
import type { ListenOptions, Server } from "node:net";
import { formatPlace } from "../base/address.ts";
import type { ListenerAddress } from "../base/address.ts";
import { PolarityError } from "../base/errors.ts";
import { listenReason } from "../socket/system-reason.ts";

/** The address as bound: port 0 has become a real one. */
export async function listenOn(server: Server, address: ListenerAddress): Promise<string> {
  const { place, url } = address;
  try {
    if (place.kind === "unix") {
      await listenOnPath(server, place.path);
      return url;
    }
    await listen(server, place.host === "" ? { port: place.port } : { port: place.port, host: place.host });
  } catch (error) {
    throw new PolarityError("ADDRESS_IN_USE", `cannot listen on ${url}: ${listenReason(error, place)}`, error);
  }
  const bound = server.address();
  const port = bound === null || typeof bound === "string" ? place.port : bound.port;
  return `${address.scheme}://${formatPlace({ ...place, port })}`;
}

/** Only this user may connect, except to an abstract socket, which has no permissions. A socket file that a killed process left behind is removed. */
async function listenOnPath(server: Server, path: string): Promise<void> {
  const abstract = path.startsWith("\0");
  try {
    await listen(server, { path });
  } catch (error) {
    if (abstract || codeOf(error) !== "EADDRINUSE" || (await answers(path))) throw error;
    unlinkSync(path);
    await listen(server, { path });
  }
  if (!abstract) chmodSync(path, 0o600);
}

function listen(server: Server, options: ListenOptions): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(options, () => {
    server.off("error", reject);
    resolve();
  });
  return promise;
}

function answers(path: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(path, () => resolve(true));
  socket.once("error", (error) => resolve(codeOf(error) !== "ECONNREFUSED"));
  return promise.finally(() => socket.destroy());
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
