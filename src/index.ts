/**
 * Polarity as a library: nodes inside a program, services that the program serves itself, and a dialer for services
 * anywhere.
 *
 * ```ts
 * import { connectAndServe, createDialer } from "polarity-proxy";
 *
 * await connectAndServe({
 *   routers: ["wss://edge.example.com:8000"],
 *   name: "phone0",
 *   services: { hello: { fetch: () => new Response("hello") } },
 * });
 *
 * const dialer = createDialer({ routers: ["wss://edge.example.com:8000"] });
 * const response = await dialer.fetch("http://phone0.hello/");
 * ```
 */
import "./sdk/node-version.ts";
export type { Analyzer, AnalyzerFactory, Tap } from "./analyze/analyzer.ts";
export type { Meters, Statistic, Statistics } from "./analyze/meters.ts";
export { type LogFields, type Logger, silentLogger } from "./base/clock.ts";
export { type ErrorCode, ERRORS, type Fault, PolarityError } from "./base/errors.ts";
export type { StreamProtocol } from "./base/upstream.ts";
export { type LoadedConfig, loadConfigFile } from "./config/file.ts";
export type { ConfigInput, NodeConfig } from "./config/node-config.ts";
export { configJsonSchema } from "./config/resolution.ts";
export type { LinkState } from "./link/link.ts";
export type { OfferChange } from "./node/node-observer.ts";
export type {
  AnalysisView,
  CertificateView,
  LatencyView,
  LinkView,
  ListenerView,
  NodeIdentityView,
  NodeState,
  NodeView,
  OfferView,
  PeerView,
  ProcessView,
  Readiness,
  ServiceView,
  SessionView,
  StatusesView,
  TotalsView,
  TrafficView,
} from "./node/view.ts";
export type {
  Channel,
  ChannelAcceptor,
  ChannelBody,
  ChannelData,
  ChannelHandler,
  ChannelInfo,
  ChannelOptions,
  ChannelRequest,
  CloseStatus,
} from "./sdk/channel.ts";
export type { ConnectOptions, HttpOptions } from "./sdk/connect-options.ts";
export type { Connector, ConnectorTarget } from "./sdk/connector.ts";
export {
  createDialer,
  type Dialer,
  type DialerEvents,
  type DialerOptions,
  type MachineResolver,
  type Resolved,
} from "./sdk/dialer.ts";
export type { FetchDispatcher } from "./sdk/dispatcher.ts";
export type { EventMap, TypedEmitter } from "./sdk/emitter.ts";
export type { FetchHandler } from "./sdk/fetch-handler.ts";
export {
  connectAndServe,
  type ConnectAndServeOptions,
  createNode,
  type NodeAddresses,
  type NodeEvents,
  type NodeOptions,
  type ProgramNode,
  type ServeOptions,
  type ServiceInput,
} from "./sdk/program-node.ts";
export type { ServiceAddress } from "./sdk/service-address.ts";
export type { HttpHandler, ServiceHandler, StreamHandler } from "./sdk/service-handler.ts";
export type { ServiceStream, StreamInfo } from "./sdk/stream-duplex.ts";
export type { HandlerProtocol } from "./sdk/stream-taker.ts";
