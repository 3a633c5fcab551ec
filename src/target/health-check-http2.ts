/** An active check of an app that speaks HTTP/2: one GET on a connection of its own. */
import { http2 } from "../socket/node-http2.ts";
import { systemReason } from "../socket/system-reason.ts";
import { HTTP2_ALPN } from "../socket/tls-settings.ts";
import type { TLSSocket } from "node:tls";
import { type AppPlace, connectApp, onceConnected } from "./app-socket.ts";

/** Resolves with how the check failed, or undefined when it passed; never rejects. */
export function checkGetHttp2(
  app: AppPlace,
  authority: string,
  path: string,
  timeoutMs: number,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connectApp(app, timeoutMs);
    onceConnected(socket, () => {
      const agreed = app.tls === undefined || (socket as TLSSocket).alpnProtocol === HTTP2_ALPN;
      if (!agreed) socket.destroy(new Error("it did not agree to HTTP/2"));
    });
    const session = http2().connect("http://app", { createConnection: () => socket });
    const timer = setTimeout(() => session.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    session.once("error", (error) => resolve(systemReason(error)));
    session.once("close", () => {
      clearTimeout(timer);
      resolve("it closed the connection without an answer");
    });
    const scheme = app.tls === undefined ? "http" : "https";
    const check = session.request({
      ":method": "GET",
      ":scheme": scheme,
      ":authority": authority,
      ":path": path,
      "user-agent": "polarity-health-check",
    });
    check.once("error", (error) => resolve(systemReason(error)));
    check.once("response", (headers) => {
      const status = Number(headers[":status"]);
      // The status decides; a body without end must not keep the check.
      session.destroy();
      resolve(status >= 200 && status < 400 ? undefined : `status ${status}`);
    });
  });
}
