/** Asks an HTTP proxy for a tunnel (RFC 9110 §9.3.6) on a socket that is connected to it. */
import type { Socket } from "node:net";

import { formatPlace, type Place } from "../base/address.ts";
import { messageOf, PolarityError } from "../base/errors.ts";

const ANSWER_BYTES_MAX = 16 * 1024;

/** Resolves once the proxy has answered 2xx; the socket is paused and what came after the answer is put back. */
export function requestTunnel(socket: Socket, proxy: URL, destination: Place): Promise<void> {
  const authority = formatPlace(destination);
  const who = `the proxy ${proxy.host}`;
  return new Promise((resolve, reject) => {
    let received: Buffer = Buffer.alloc(0);
    const settle = (error: PolarityError | undefined): void => {
      socket.off("data", read);
      socket.off("close", closed);
      socket.off("error", failed);
      socket.pause();
      if (error === undefined) resolve();
      else reject(error);
    };
    const read = (chunk: Buffer): void => {
      received = Buffer.concat([received, chunk]);
      const end = received.indexOf("\r\n\r\n");
      if (end < 0) {
        if (received.length > ANSWER_BYTES_MAX) {
          settle(unreachable(`${who} answered with a head of more than ${ANSWER_BYTES_MAX} bytes`));
        }
        return;
      }
      const statusLine = received.toString("latin1", 0, received.indexOf("\r\n"));
      const status = /^HTTP\/1\.[01] (\d{3})/.exec(statusLine)?.[1];
      if (status === undefined) return settle(unreachable(`${who} does not answer in HTTP`));
      if (!status.startsWith("2"))
        return settle(unreachable(`${who} does not let us reach ${authority}: ${statusLine.slice(9, 120)}`));
      settle(undefined);
      const rest = received.subarray(end + 4);
      if (rest.length > 0) socket.unshift(rest);
      return undefined;
    };
    const closed = (): void => settle(unreachable(`${who} closed the connection without an answer`));
    const failed = (error: Error): void => settle(unreachable(`the connection to ${who} broke: ${messageOf(error)}`));
    socket.on("data", read);
    socket.once("close", closed);
    socket.once("error", failed);
    socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${authorization(proxy)}\r\n`);
  });
}

function authorization({ username, password }: URL): string {
  if (username === "") return "";
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Proxy-Authorization: Basic ${Buffer.from(credentials, "utf8").toString("base64")}\r\n`;
}

function unreachable(message: string): PolarityError {
  return new PolarityError("LINK_UNREACHABLE", message);
}
