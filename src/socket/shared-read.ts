/**
 * Reading without a buffer per read: all sockets read into one shared buffer, which is lent to the receiver for the call.
 *
 * Node otherwise allocates 64 KiB for every read of every socket, cuts it to size and passes it through a Readable. On a
 * small request that costs more than parsing it, and in bulk the garbage, which is outside of the heap, makes the collector
 * mark the whole heap again and again. Reads are synchronous and end before the next begins, so sharing is safe.
 */
import { type OnReadOpts, type Server, Socket } from "node:net";

/** Who gets what is read; set as the socket's `[RECEIVER]` before the first read. */
export interface ReadReceiver {
  /** The chunk is lent for the call only. */
  received(chunk: Buffer): void;
}

export const RECEIVER = Symbol("polarity.receiver");
export type ReceivingSocket = Socket & { [RECEIVER]?: ReadReceiver };

/** What one client or app may send before others have their turn. */
const SHARED_BYTES = 64 * 1024;
/** A link carries many of them. */
const LINK_SHARED_BYTES = 256 * 1024;

/** Goes into the options of `net.connect`. */
export const SHARED_READ = sharedRead(SHARED_BYTES);
const LINK_SHARED_READ = sharedRead(LINK_SHARED_BYTES);

function sharedRead(bytesMax: number): OnReadOpts {
  const shared = Buffer.allocUnsafeSlow(bytesMax);
  return {
    buffer: shared,
    callback(this: ReceivingSocket, bytes: number): boolean {
      this[RECEIVER]?.received(bytes === bytesMax ? shared : shared.subarray(0, bytes));
      return true;
    },
  };
}

/** What a listening handle of Node's calls for each connection. */
interface ListeningHandle {
  onconnection?: (status: number, connection: object | undefined) => void;
}

/**
 * Makes a listening server hand its connections to `accepted` as sockets that read this way. Node has that option for
 * outgoing connections only, so this goes to the server's handle; false where the handle is not what it used to be, and the
 * server's `connection` event brings plain sockets.
 */
export function acceptWithSharedRead(server: Server, accepted: (socket: Socket) => void): boolean {
  const handle = (server as Server & { _handle?: ListeningHandle | null })._handle;
  const original = handle?.onconnection;
  if (handle === undefined || handle === null || typeof original !== "function") return false;
  handle.onconnection = function (this: ListeningHandle, status, connection) {
    // Errors, such as running out of descriptors, are the server's to report.
    if (status !== 0 || connection === undefined) original.call(this, status, connection);
    else accepted(new Socket({ handle: connection, allowHalfOpen: true, onread: SHARED_READ } as object));
  };
  return true;
}

/**
 * A link's connection in a socket that reads this way, with `receiver` to get it; the given one is an empty shell
 * from then on. Where that cannot be, the same socket comes back and says `data`.
 */
export function withSharedRead(socket: Socket, receiver: ReadReceiver): Socket {
  const shell = socket as Socket & { _handle?: object | null };
  const handle = shell._handle;
  const busy = socket.connecting || socket.destroyed || socket.readableEnded || socket.readableLength > 0;
  if (busy || socket.writableLength > 0 || handle === undefined || handle === null) return socket;
  shell._handle = null;
  const fresh: ReceivingSocket = new Socket({ handle, allowHalfOpen: false, onread: LINK_SHARED_READ } as object);
  fresh[RECEIVER] = receiver;
  fresh.setNoDelay(true);
  return fresh;
}
