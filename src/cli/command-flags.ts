/** What the flags of each command are parsed to; what was given neither as a flag nor as a variable is left out. */
import type { LinkAddress } from "../base/address.ts";
import type { AnalyzeArgument, ListenArgument, RouterArgument } from "../base/argument.ts";
import type { OutputFormat } from "./client-output.ts";

/** Called with the exit code of the command that ran. */
export type Finish = (code: number) => void;

/** Flags of every command that runs a node. */
export interface NodeFlags {
  readonly name?: string;
  readonly admin?: string;
  readonly adminTokenFile?: string;
  readonly logLevel?: string;
  readonly logFormat?: string;
  readonly drainDelay?: string;
  readonly drainTimeout?: string;
  readonly stateFolder?: string;
}

/** Flags of every command that dials routers. */
export interface DialFlags extends NodeFlags {
  readonly router?: readonly RouterArgument[];
  readonly tokenFile?: string;
  readonly links?: number;
  readonly cost?: number;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export interface RouterFlags extends DialFlags {
  readonly link?: readonly LinkAddress[];
  readonly listen?: readonly ListenArgument[];
  readonly analyze?: readonly AnalyzeArgument[];
  readonly tokensFile?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly clientCa?: string;
  readonly insecure?: boolean;
  readonly cranker?: boolean;
  /** False with --no-relay. */
  readonly relay?: boolean;
}

/** Of `forward`. */
export interface ForwardFlags extends DialFlags {
  readonly analyze?: readonly AnalyzeArgument[];
}

export interface ConnectFlags extends DialFlags {
  readonly analyze?: readonly AnalyzeArgument[];
  readonly weight?: number;
}

export interface FooProxyFlags extends NodeFlags {
  readonly listen?: string;
  readonly forward?: string;
  readonly http?: string;
  readonly recoveryPath?: string;
}

export interface CloudbusFlags extends NodeFlags, FileFlags {
  readonly tokenFile?: string;
  readonly tokensFile?: string;
  readonly insecure?: boolean;
  readonly ca?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
}

export interface FileFlags {
  readonly config?: string;
}

export interface DemoFlags {
  readonly once?: boolean;
}

export interface WaitFlags extends DialFlags {
  readonly wait: string;
}

export interface ClientFlags {
  readonly node: string;
  readonly adminTokenFile?: string;
}

export interface OutputFlags extends ClientFlags {
  readonly output: OutputFormat;
  readonly watch?: boolean;
}

export interface RegisterFlags extends ClientFlags {
  readonly weight?: number;
  readonly label?: readonly (readonly [string, string])[];
  readonly protocol?: string;
  /** The path to check. */
  readonly health?: string;
  /** Any settings of a service, as in the configuration file. */
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly keep?: boolean;
}
