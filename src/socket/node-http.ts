/**
 * `node:http` without what a named import of it costs: reading all of its exports makes Node load its fetch and its HTTP/2,
 * some 20 MB of memory in every process.
 */
export const http = process.getBuiltinModule("node:http");
