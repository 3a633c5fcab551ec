/** Channels over websockets, both sides, by the `ws` package. */
import type { WebSocket } from "ws";
import { type ChannelSide, type CloseStatus, PortChannel } from "./channel.ts";

/** Takes an open websocket. Call in the turn in which it opened, or messages are lost. */
export function webSocketChannel(webSocket: WebSocket, side: ChannelSide): PortChannel {
  let violated = false;
  const channel = new PortChannel(
    {
      send: ({ body }) => {
        if (body !== undefined) webSocket.send(body, ignoreOutcome);
      },
      close: () => webSocket.close(NORMAL_CLOSURE),
      fail: () => webSocket.close(INTERNAL_ERROR),
    },
    side,
    true,
  );
  webSocket.on("message", (data: Buffer, isBinary: boolean) =>
    channel.received(isBinary ? data : data.toString("utf8")),
  );
  webSocket.on("error", (error) => {
    violated ||= "code" in error && String(error.code).startsWith("WS_ERR_");
  });
  webSocket.on("close", (code) => channel.ended(violated ? "protocol-error" : statusOf(code)));
  return channel;
}

const NORMAL_CLOSURE = 1000;
const INTERNAL_ERROR = 1011;

/** By the close codes of RFC 6455 §7.4.1. Undefined for 1006, which is no code: the connection went without one. */
function statusOf(code: number): CloseStatus | undefined {
  switch (code) {
    // 1005: a close frame without a code.
    case 1000:
    case 1005:
      return "normal";
    case 1001:
      return "going-away";
    case 1002:
      return "protocol-error";
    case 1003:
      return "unsupported";
    case 1006:
      return undefined;
    default:
      return "unknown";
  }
}

/** That the other side has gone shows in the close that follows. */
function ignoreOutcome(): void {}
