/**
 * The certificates of a listener: the one for each name, their contexts, and their files, which are looked at again.
 *
 * Files are polled, because how they are replaced differs (renames, links that point elsewhere, network folders) and
 * each way looks the same afterwards. What changed is read once it has stood still for a poll; a pair that cannot be used
 * changes nothing.
 */
import { randomBytes } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { createSecureContext, type SecureContext } from "node:tls";
import type { Logger } from "../base/clock.ts";
import { messageOf, PolarityError } from "../base/errors.ts";
import { inBackground } from "../base/internal-error.ts";
import { type Certificate, dateOf, type PemPair, type PemText, readCertificate } from "../socket/certificate.ts";
import { validityProblem } from "../socket/certificate.ts";
import { ServerNames } from "../socket/server-names.ts";
import { SESSION_CONTEXT } from "../socket/tls-gate.ts";
import { secureSettings, type TlsVersion } from "../socket/tls-settings.ts";

export interface TlsListenerOptions {
  /** The first is for clients that ask for no name, or for one of no certificate. */
  readonly certificates: readonly PemPair[];
  readonly refuseUnknownNames: boolean;
  readonly clientCa: PemText | undefined;
  readonly clientCertificate: "required" | "optional";
  readonly minVersion: TlsVersion;
  readonly handshakeTimeoutMs: number;
}

/** How often files are looked at; rarer where there are very many. */
const POLL_MS = 1_000;
const POLL_MS_A_FILE = 20;
const FILE_BYTES_MAX = 1024 * 1024;
const HOUR_MS = 3_600_000;
/** How long a ticket's key is used: what one stolen key opens ends here. */
const TICKET_KEYS_MS = 24 * HOUR_MS;
const TICKET_KEYS_BYTES = 48;

interface Entry {
  certificate: Certificate;
  context: SecureContext;
  /** Of the files as they were when last read, and at the last poll. */
  readState: string;
  seenState: string;
}

export class TlsCertificates {
  readonly #logger: Logger;
  readonly #changed: () => void;
  #options: TlsListenerOptions;
  #entries: Entry[];
  #names = new ServerNames<SecureContext>();
  #ticketKeys = randomBytes(TICKET_KEYS_BYTES);
  #ticketKeysUntil = 0;
  #pollAt = 0;
  #polling = false;

  /** `changed`: new handshakes need what `first` and `find` say now. Throws CONFIG_INVALID. */
  constructor(options: TlsListenerOptions, logger: Logger, changed: () => void) {
    this.#options = options;
    this.#logger = logger;
    this.#changed = changed;
    this.#entries = this.#load(options);
    this.#index();
  }

  get all(): readonly Certificate[] {
    return this.#entries.map(({ certificate }) => certificate);
  }

  get first(): PemPair {
    return this.#entries[0]!.certificate.pair;
  }

  get ticketKeys(): Buffer {
    return this.#ticketKeys;
  }

  /** The context for a name that a client asks for. */
  find(name: string): SecureContext | undefined {
    return this.#names.find(name);
  }

  /** Takes new settings. Throws CONFIG_INVALID, and then keeps the old ones. */
  update(options: TlsListenerOptions): void {
    // Who was let in under another rule must not come in again by a ticket.
    const rule = (of: TlsListenerOptions): string => JSON.stringify([of.clientCa?.text, of.clientCertificate]);
    const keys = this.#ticketKeys;
    if (rule(options) !== rule(this.#options)) this.#ticketKeys = randomBytes(TICKET_KEYS_BYTES);
    try {
      this.#entries = this.#load(options);
    } catch (error) {
      this.#ticketKeys = keys;
      throw error;
    }
    this.#options = options;
    this.#index();
    this.#changed();
  }

  /** Time passes: files are looked at, keys of tickets replaced. */
  sweep(now: number): void {
    if (now >= this.#ticketKeysUntil) {
      const young = this.#ticketKeysUntil === 0;
      this.#ticketKeysUntil = now + TICKET_KEYS_MS;
      if (!young) this.#renewTicketKeys();
    }
    if (now < this.#pollAt || this.#polling) return;
    this.#pollAt = now + Math.max(POLL_MS, this.#entries.length * 2 * POLL_MS_A_FILE);
    this.#polling = true;
    inBackground(
      this.#poll().finally(() => {
        this.#polling = false;
      }),
    );
  }

  async #poll(): Promise<void> {
    const entries = this.#entries;
    let changed = false;
    for (const entry of entries) {
      const state = await stateOf(entry.certificate.pair);
      // The configuration was read anew meanwhile.
      if (entries !== this.#entries) return;
      const stable = state === entry.seenState;
      entry.seenState = state;
      if (!stable || state === entry.readState) continue;
      entry.readState = state;
      if (await this.#reread(entry)) changed = true;
      if (entries !== this.#entries) return;
    }
    if (!changed) return;
    this.#index();
    this.#changed();
  }

  /** True when there is something new to use. */
  async #reread(entry: Entry): Promise<boolean> {
    const { cert, key } = entry.certificate.pair;
    const names = `${cert.origin} and ${key.origin}`;
    try {
      const pair = { cert: await readPem(cert.origin), key: await readPem(key.origin) };
      if (pair.cert.text === cert.text && pair.key.text === key.text) return false;
      const fresh = this.#entry(pair, this.#options);
      entry.certificate = fresh.certificate;
      entry.context = fresh.context;
      const { expiresAt } = fresh.certificate;
      this.#logger.info({ cert: cert.origin, key: key.origin }, `read ${names} again, valid to ${dateOf(expiresAt)}`);
      const problem = validityProblem(fresh.certificate, Date.now());
      if (problem !== undefined) this.#logger.warn({ cert: cert.origin }, problem);
      return true;
    } catch (error) {
      this.#logger.error(
        { cert: cert.origin, key: key.origin },
        `${names} changed and cannot be used, the certificate before stays: ${messageOf(error)}`,
      );
      return false;
    }
  }

  #renewTicketKeys(): void {
    this.#ticketKeys = randomBytes(TICKET_KEYS_BYTES);
    for (const entry of this.#entries) entry.context = this.#context(entry.certificate.pair, this.#options);
    this.#index();
    this.#changed();
  }

  #load(options: TlsListenerOptions): Entry[] {
    return options.certificates.map((pair) => this.#entry(pair, options));
  }

  #entry(pair: PemPair, options: TlsListenerOptions): Entry {
    const certificate = readCertificate(pair);
    return { certificate, context: this.#context(pair, options), readState: "", seenState: "" };
  }

  #context({ cert, key }: PemPair, { clientCa, minVersion }: TlsListenerOptions): SecureContext {
    try {
      return createSecureContext({
        cert: cert.text,
        key: key.text,
        ...(clientCa === undefined ? {} : { ca: clientCa.text }),
        ...secureSettings(minVersion),
        sessionIdContext: SESSION_CONTEXT,
        ticketKeys: this.#ticketKeys,
      });
    } catch (error) {
      throw new PolarityError("CONFIG_INVALID", `${cert.origin}: it cannot be used: ${messageOf(error)}`, error);
    }
  }

  #index(): void {
    this.#names = new ServerNames();
    for (const { certificate, context } of this.#entries) {
      for (const name of certificate.names) this.#names.add(name, context);
    }
  }
}

async function readPem(origin: string): Promise<PemText> {
  const { size } = await stat(origin);
  if (size > FILE_BYTES_MAX) throw new Error(`${origin} has ${size} bytes, more than ${FILE_BYTES_MAX}`);
  return { origin, text: await readFile(origin, "utf8") };
}

/** Differs when one of the two files was written or replaced. */
async function stateOf({ cert, key }: PemPair): Promise<string> {
  const states = await Promise.all([cert.origin, key.origin].map(fileState));
  return states.join(" ");
}

async function fileState(path: string): Promise<string> {
  try {
    const { ino, size, mtimeMs, ctimeMs } = await stat(path);
    return `${ino}:${size}:${mtimeMs}:${ctimeMs}`;
  } catch (error) {
    return messageOf(error);
  }
}
