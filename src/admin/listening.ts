/** Binds a server to an address, and says in words why it cannot. */
import { unlinkSync } from "node:fs";
import { connect } from "node:net";
import type { Server } from "node:net";
import { formatPlace, isAbstract, type Place } from "../base/address.ts";
import type { ListenerAddress } from "../base/address.ts";
import { PolarityError } from "../base/errors.ts";
import { listenWithMode } from "../socket/socket-mode.ts";
import { listenReason } from "../socket/system-reason.ts";

/** The address as bound: port 0 has become a real one. Of a path only this user may connect, unless `socketMode` says otherwise. */
export async function listenOn(server: Server, address: ListenerAddress, socketMode = 0o600): Promise<string> {
  const { place, url } = address;
  try {
    if (place.kind === "unix") {
      await listenOnPath(server, place, socketMode);
      return url;
    }
    const at = place.host === "" ? { port: place.port } : { port: place.port, host: place.host };
    await listen(server, (done) => server.listen(at, done));
  } catch (error) {
    throw new PolarityError("ADDRESS_IN_USE", `cannot listen on ${url}: ${listenReason(error, place)}`, error);
  }
  const bound = server.address();
  const port = bound === null || typeof bound === "string" ? place.port : bound.port;
  return `${address.scheme}://${formatPlace({ ...place, port })}`;
}

/** An abstract socket has no permissions. A socket file that a killed process left behind is removed. */
async function listenOnPath(server: Server, place: Place & { readonly kind: "unix" }, mode: number): Promise<void> {
  const { path } = place;
  const begin = (): Promise<void> =>
    listen(server, (done) => listenWithMode(place, mode, () => server.listen({ path }, done)));
  try {
    await begin();
  } catch (error) {
    if (isAbstract(place) || codeOf(error) !== "EADDRINUSE" || (await answers(path))) throw error;
    unlinkSync(path);
    await begin();
  }
}

function listen(server: Server, begin: (done: () => void) => void): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  begin(() => {
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
