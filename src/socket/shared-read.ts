/**
 * Reading without a buffer per read: all sockets read into one shared buffer, which is lent to the receiver for the call.
 *
 * Node otherwise allocates 64 KiB for every read of every socket, cuts it to size and passes it through a Readable. On a
 * small request that costs more than parsing it, and in bulk the garbage, which is outside of the heap, makes the collector
 * mark the whole heap again and again. Reads are synchronous and end before the next begins, so sharing is safe.
 */
import { type OnReadOpts, type Server, Socket } from "node:net";
import { internalError } from "../base/internal-error.ts";
import { lend, type ReadBlock, ReadBlockPool } from "../base/read-block.ts";
import { StartViews } from "../base/start-views.ts";

/** Who gets what is read; set as the socket's `[RECEIVER]` before the first read. */
export interface ReadReceiver {
  /** The chunk is lent for the call only. */
  received(chunk: Buffer): void;
}

export const RECEIVER = Symbol("polarity.receiver");
/** The block that the socket reads into while it is in bulk. */
const BLOCK = Symbol("polarity.block");
/** What it has read in this turn, while it is in bulk. */
const TURN = Symbol("polarity.turn");
export type ReceivingSocket = Socket & {
  [RECEIVER]?: ReadReceiver;
  [BLOCK]?: ReadBlock | undefined;
  [TURN]?: number | undefined;
};

/** What one client or app may send before others have their turn. */
const SHARED_BYTES = 64 * 1024;
/** A link carries many of them. */
const LINK_SHARED_BYTES = 256 * 1024;

/** Goes into the options of `net.connect`. */
export const SHARED_READ = sharedRead(SHARED_BYTES, SHARED_BYTES);
const LINK_SHARED_READ = sharedRead(LINK_SHARED_BYTES, SHARED_BYTES);

/**
 * A socket whose reads come in bulk, of `bulkBytes` or more, reads into blocks of its own that writers may hold; when the
 * reads become small it returns to the shared buffer, so that an idle one holds nothing.
 */
function sharedRead(bytesMax: number, bulkBytes: number): OnReadOpts {
  const shared = Buffer.allocUnsafeSlow(bytesMax);
  const starts = new StartViews(shared);
  const pool = new ReadBlockPool(bytesMax);
  // Node asks for a buffer when a socket begins, and then behind each callback.
  let decided = false;
  let next: Buffer | undefined;
  return {
    buffer(): Buffer {
      if (!decided) return shared;
      decided = false;
      // Anything else than a buffer means: the same again. The types do not know.
      return next as Buffer;
    },
    callback(this: ReceivingSocket, bytes: number): boolean {
      const block = this[BLOCK];
      if (block === undefined) {
        receive(this, starts.of(bytes));
        if (bytes >= bulkBytes) {
          this[BLOCK] = pool.take();
          next = this[BLOCK].room;
        } else next = undefined;
      } else {
        lend(block);
        receive(this, bytes === bytesMax ? block.room : block.room.subarray(0, bytes));
        lend(undefined);
        next = undefined;
        if (bytes < bulkBytes / 2) {
          block.endReading();
          this[BLOCK] = undefined;
          next = shared;
        } else if (block.held) {
          block.endReading();
          this[BLOCK] = pool.take();
          next = this[BLOCK].room;
        }
      }
      decided = true;
      return block === undefined || mayReadOn(this, bytes);
    },
  };
}

function receive(socket: ReceivingSocket, chunk: Buffer): void {
  try {
    socket[RECEIVER]?.received(chunk);
  } catch (thrown) {
    internalError("socket", thrown);
    socket.destroy();
  }
}

// ── sockets in bulk take turns: libuv alone would let one read 32 times before it looks at the next ──

/** What a socket in bulk may read before all others that are readable have their turn. */
const TURN_BYTES = 256 * 1024;

const readThisTurn: ReceivingSocket[] = [];

/** False: the socket has read enough in this turn, and goes on in the next. */
function mayReadOn(socket: ReceivingSocket, bytes: number): boolean {
  if (readThisTurn.length === 0) setImmediate(beginTurn);
  if (socket[TURN] === undefined) readThisTurn.push(socket);
  socket[TURN] = (socket[TURN] ?? 0) + bytes;
  return socket[TURN] < TURN_BYTES;
}

function beginTurn(): void {
  for (let socket = readThisTurn.pop(); socket !== undefined; socket = readThisTurn.pop()) {
    const stopped = socket[TURN]! >= TURN_BYTES;
    socket[TURN] = undefined;
    // Who paused it meanwhile resumes it, too.
    if (stopped && !socket.destroyed && !socket.isPaused()) socket.resume();
  }
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
    else accept(new Socket({ handle: connection, allowHalfOpen: true, onread: SHARED_READ } as object), accepted);
  };
  return true;
}

/** Hands a connection to a listener. */
export function accept(socket: Socket, accepted: (socket: Socket) => void): void {
  try {
    accepted(socket);
  } catch (thrown) {
    internalError("accept", thrown);
    // Whoever was about to take it may not listen to it yet.
    socket.on("error", () => {});
    socket.destroy();
  }
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
