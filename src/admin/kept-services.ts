/**
 * Services that were registered to stay: a file from which a node that starts again registers them anew.
 *
 * Every change writes the whole file: to another name first, forced to the disk, then renamed, so that a crash leaves the
 * old file or the new one. A file that cannot be understood is put aside under another name, loudly, and never overwritten.
 */
import {
  closeSync,
  copyFileSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describeJson, parseJson } from "../base/bounded-json.ts";
import type { Logger } from "../base/clock.ts";
import { messageOf, PolarityError } from "../base/errors.ts";
import type { ServiceConfig } from "../config/node-config.ts";
import { resolveServiceRequest, type ServiceRequest } from "./service-request.ts";

const FILE = "registered-services.json";
const VERSION = 1;

export interface KeptService {
  readonly request: ServiceRequest;
  readonly config: ServiceConfig;
}

export class KeptServices {
  readonly #folder: string;
  readonly #file: string;
  readonly #logger: Logger;
  readonly #requests = new Map<string, ServiceRequest>();

  constructor(folder: string, logger: Logger) {
    this.#folder = folder;
    this.#file = join(folder, FILE);
    this.#logger = logger;
  }

  /** What was kept before. Whatever is wrong with the file, the node starts. */
  load(): readonly KeptService[] {
    let text: string;
    try {
      text = readFileSync(this.#file, "utf8");
    } catch (error) {
      if (!isMissing(error))
        this.#logger.error({ file: this.#file }, `kept services cannot be read: ${messageOf(error)}`);
      return [];
    }
    try {
      return this.#valid(requestsIn(text));
    } catch (error) {
      this.#putAside(renameSync, `cannot be understood: ${messageOf(error)}`);
      return [];
    }
  }

  #valid(requests: readonly ServiceRequest[]): readonly KeptService[] {
    const faults: string[] = [];
    const kept = requests.flatMap((request) => {
      try {
        return [{ request, config: resolveServiceRequest(request) }];
      } catch (error) {
        faults.push(messageOf(error));
        return [];
      }
    });
    for (const { request } of kept) this.#requests.set(request.name, request);
    // What is right goes on; what is wrong would be lost at the next change.
    if (faults.length > 0) this.#putAside(copyFileSync, `hold what this version refuses: ${faults.join("; ")}`);
    return kept;
  }

  /** Keeps `request` under `name`, or nothing. Throws STATE_UNWRITABLE, and then nothing has changed. Returns what undoes it. */
  keep(name: string, request: ServiceRequest | undefined): () => void {
    const before = this.#requests.get(name);
    if (before === request) return () => {};
    this.#put(name, request);
    try {
      this.#write();
    } catch (error) {
      this.#put(name, before);
      throw error;
    }
    return () => void this.keep(name, before);
  }

  #put(name: string, request: ServiceRequest | undefined): void {
    if (request === undefined) this.#requests.delete(name);
    else this.#requests.set(name, request);
  }

  #write(): void {
    const text = `${JSON.stringify({ version: VERSION, services: [...this.#requests.values()] }, null, 2)}\n`;
    const draft = `${this.#file}.new`;
    try {
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      const descriptor = openSync(draft, "w", 0o600);
      try {
        writeFileSync(descriptor, text);
        fsyncSync(descriptor);
      } finally {
        closeSync(descriptor);
      }
      renameSync(draft, this.#file);
      this.#syncFolder();
    } catch (error) {
      throw new PolarityError("STATE_UNWRITABLE", `cannot write ${this.#file}: ${messageOf(error)}`, error);
    }
  }

  /** So that the rename outlives a power cut, where the system can promise that. */
  #syncFolder(): void {
    const descriptor = openSync(this.#folder, "r");
    try {
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  }

  #putAside(move: (from: string, to: string) => void, why: string): void {
    const aside = `${this.#file}.corrupt-${new Date().toISOString().replaceAll(":", "-")}`;
    try {
      move(this.#file, aside);
      this.#logger.error({ file: aside }, `the kept services in ${this.#file} ${why}; the file is kept as ${aside}`);
    } catch (error) {
      this.#logger.error({ file: this.#file }, `the kept services in ${this.#file} ${why}`);
      this.#logger.error({ file: aside }, `${aside} cannot be written: ${messageOf(error)}`);
    }
  }
}

function requestsIn(text: string): readonly ServiceRequest[] {
  const document = parseJson(text) as { version?: unknown; services?: unknown } | null;
  if (document?.version !== VERSION) throw new Error(`version ${describeJson(document?.version)}, not ${VERSION}`);
  if (!Array.isArray(document.services)) throw new Error("it has no list of services");
  return document.services as readonly ServiceRequest[];
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
