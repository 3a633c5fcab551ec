/** `node:http2`, loaded by whoever first needs it: it costs a process that never speaks HTTP/2 several megabytes. */
import type http2Module from "node:http2";

let loaded: typeof http2Module | undefined;

export function http2(): typeof http2Module {
  loaded ??= process.getBuiltinModule("node:http2");
  return loaded;
}
