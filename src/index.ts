/**
 * Polarity as a library: a node inside a program.
 *
 * ```ts
 * import { createNode, resolveConfig, silentLogger, systemClock } from "polarity-proxy";
 *
 * const resolution = resolveConfig(
 *   { links: { dial: [{ url: "tcp://127.0.0.1:8000" }] }, services: { web: { target: "http://127.0.0.1:3000" } } },
 *   { folder: process.cwd(), defaultName: "laptop" },
 * );
 * if (resolution.kind === "invalid") throw new Error(JSON.stringify(resolution.problems));
 * const node = createNode(resolution.config, { logger: silentLogger, clock: systemClock, version: "1" });
 * await node.start();
 * ```
 */
export { type ByteSink, type ByteStream, DiscardSink } from "./base/byte-stream.ts";
export { type Clock, type LogFields, type Logger, silentLogger, systemClock } from "./base/clock.ts";
export { type ErrorCode, ERRORS, type Fault, PolarityError } from "./base/errors.ts";
export type { StreamProtocol } from "./base/upstream.ts";
export { type LoadedConfig, loadConfigFile } from "./config/file.ts";
export type { ConfigInput, ListenerConfig, NodeConfig, ServiceConfig } from "./config/node-config.ts";
export type { ConfigPath, ConfigProblem } from "./config/problems.ts";
export {
  configJsonSchema,
  defaultNodeName,
  type Resolution,
  type ResolutionOptions,
  resolveConfig,
} from "./config/resolution.ts";
export { createNode, type NodeEnvironment, type PolarityNode, type Readiness } from "./node/node.ts";
export type {
  LatencyView,
  LinkView,
  ListenerView,
  NodeIdentityView,
  NodeState,
  NodeView,
  OfferView,
  PeerView,
  ProcessView,
  ServiceView,
  SessionView,
  StatusesView,
  TotalsView,
  TrafficView,
} from "./node/view.ts";
