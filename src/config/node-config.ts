/**
 * The resolved configuration of a node: frozen, every key there, nothing left to default.
 *
 * The types come from the schema. Who reads them finds durations in `…Ms`, sizes in `…Bytes`, URLs as addresses, and files
 * as `LoadedText`.
 */
import type { z } from "zod";
import type { Place } from "../base/address.ts";
import type { TokenSet } from "../link/tokens.ts";
import type { LoadedText } from "./loaded-text.ts";
import type { createConfigSchema } from "./schema.ts";

type Frozen<Value> = Value extends LoadedText | TokenSet | Place | string | number | boolean | undefined
  ? Value
  : { readonly [Key in keyof Value]-?: Frozen<Value[Key]> };

type Resolved = z.output<ReturnType<typeof createConfigSchema>>;

/** What the schema accepts: the shape of the YAML file, and of the JSON that the admin API takes. */
export type ConfigInput = z.input<ReturnType<typeof createConfigSchema>>;
export type LinkDialInput = NonNullable<NonNullable<ConfigInput["links"]>["dial"]>[number];

/** `node.name` is filled in by whoever resolves the configuration. */
export type NodeConfig = Frozen<Omit<Resolved, "node"> & { node: Omit<Resolved["node"], "name"> & { name: string } }>;

export type LinkAcceptConfig = NodeConfig["links"]["accept"][number];
export type LinkDialConfig = NodeConfig["links"]["dial"][number];
export type ServiceConfig = NodeConfig["services"][number];
export type HealthConfig = NonNullable<ServiceConfig["health"]>;
export type ListenerConfig = NodeConfig["listeners"][number];
export type RouteConfig = ListenerConfig["routes"][number];
export type ListenerLimits = ListenerConfig["limits"];
export type AdminConfig = NonNullable<NodeConfig["admin"]>;
export type LimitsConfig = NodeConfig["limits"];
export type LogConfig = NodeConfig["log"];
export type AccessLogConfig = NonNullable<NodeConfig["accessLog"]>;
