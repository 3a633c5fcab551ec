/** Unix sockets outlive the process that listened on them; this removes one, if nobody answers on it. */
import { lstatSync, type Stats, unlinkSync } from "node:fs";
import { connect } from "node:net";

import { PolarityError } from "../base/errors.ts";

/** The path of an abstract socket names no file. Fails with `ADDRESS_IN_USE` when somebody answers, or when the path is no socket. */
export async function removeStaleSocket(path: string): Promise<void> {
  if (path.startsWith("\0")) return;
  const file = fileAt(path);
  if (file === undefined) return;
  if (!file.isSocket())
    throw new PolarityError("ADDRESS_IN_USE", `cannot listen on ${path}: it is there and no socket`);
  if (await answers(path)) {
    throw new PolarityError("ADDRESS_IN_USE", `cannot listen on ${path}: another process answers there`);
  }
  unlinkSync(path);
}

/** Undefined too where it may not be looked at: then whoever listens finds out why. */
function fileAt(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    // Only a refusal proves that nobody is there; lacking permission, say, proves nothing.
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code !== "ECONNREFUSED"));
  });
}
