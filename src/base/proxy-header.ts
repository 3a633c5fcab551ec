/**
 * The PROXY protocol's header (versions 1 and 2), which a proxy sends ahead of a connection's bytes to tell whose they are.
 * Here is what it says and how it is written; `proxy-header-reader.ts` reads it.
 *
 * Pure. A header is written once a connection.
 */
import { crc32c } from "./crc32c.ts";
import { formatIp, parseIp } from "./ip-address.ts";

export interface ProxyEndpoint {
  /** An IP address. */
  readonly host: string;
  readonly port: number;
}

/** Where the connection that is told of came from, and where it went. */
export type ProxyAddresses =
  | {
      readonly family: "inet" | "inet6";
      readonly transport: "stream" | "datagram";
      readonly source: ProxyEndpoint;
      readonly destination: ProxyEndpoint;
    }
  | {
      readonly family: "unix";
      readonly transport: "stream" | "datagram";
      /** Paths; empty for sockets without a name. */
      readonly source: string;
      readonly destination: string;
    };

/** What a TLS client showed to the proxy. */
export interface ProxyTls {
  /** Bits: 1 the client used TLS, 2 it showed a certificate on this connection, 4 in this session. */
  readonly client: number;
  /** The certificate, if there was one, was verified. */
  readonly verified: boolean;
  readonly version: string | undefined;
  readonly commonName: string | undefined;
  readonly cipher: string | undefined;
}

/** What else version 2 may tell. */
export interface ProxyExtras {
  /** The protocol negotiated with the client, as in TLS. */
  readonly alpn?: string | undefined;
  /** The name that the client asked for. */
  readonly authority?: string | undefined;
  readonly uniqueId?: Buffer | undefined;
  readonly tls?: ProxyTls | undefined;
  readonly namespace?: string | undefined;
}

export interface ProxyHeader {
  readonly version: 1 | 2;
  /** `local`: the proxy speaks for itself, as for a health check. */
  readonly command: "local" | "proxy";
  /** Undefined: not told, so that those of the connection itself hold. */
  readonly addresses: ProxyAddresses | undefined;
  readonly extras: ProxyExtras;
}

export const V1_BYTES_MAX = 107;
export const V2_START = Buffer.from("0d0a0d0a000d0a515549540a", "hex");
export const V2_FIXED_BYTES = 16;
export const UNIX_PATH_BYTES = 108;

export const TLV_ALPN = 0x01;
export const TLV_AUTHORITY = 0x02;
export const TLV_CRC32C = 0x03;
export const TLV_NOOP = 0x04;
export const TLV_UNIQUE_ID = 0x05;
export const TLV_TLS = 0x20;
export const TLV_TLS_VERSION = 0x21;
export const TLV_TLS_COMMON_NAME = 0x22;
export const TLV_TLS_CIPHER = 0x23;
export const TLV_NAMESPACE = 0x30;

/** Version 1: one line. What it has no words for, unix sockets and datagrams, is `UNKNOWN`. */
export function encodeProxyV1(addresses: ProxyAddresses | undefined): Buffer {
  if (addresses === undefined || addresses.family === "unix" || addresses.transport !== "stream") {
    return Buffer.from("PROXY UNKNOWN\r\n", "latin1");
  }
  const { family, source, destination } = addresses;
  const bytes = family === "inet" ? 4 : 16;
  const [from, to] = [addressBytes(source.host, bytes), addressBytes(destination.host, bytes)];
  const name = family === "inet" ? "TCP4" : "TCP6";
  return Buffer.from(
    `PROXY ${name} ${formatIp(from)} ${formatIp(to)} ${source.port} ${destination.port}\r\n`,
    "latin1",
  );
}

export interface ProxyV2Options {
  readonly command?: "local" | "proxy";
  readonly extras?: ProxyExtras;
  /** Adds a checksum over the header. */
  readonly checksum?: boolean;
}

/** Version 2: binary. A `local` header carries no addresses. */
export function encodeProxyV2(addresses: ProxyAddresses | undefined, options: ProxyV2Options = {}): Buffer {
  const { command = "proxy", extras = {}, checksum = false } = options;
  const told = command === "local" ? undefined : addresses;
  const parts: Uint8Array[] = [addressBlock(told), ...extraTlvs(extras)];
  if (checksum) parts.push(tlv(TLV_CRC32C, Buffer.alloc(4)));
  const block = Buffer.concat(parts);
  const header = Buffer.concat([V2_START, Buffer.alloc(4), block]);
  header[12] = command === "local" ? 0x20 : 0x21;
  header[13] = familyByte(told);
  header.writeUInt16BE(block.length, 14);
  if (checksum) header.writeUInt32BE(crc32c(header), header.length - 4);
  return header;
}

function familyByte(addresses: ProxyAddresses | undefined): number {
  if (addresses === undefined) return 0;
  const family = { inet: 0x10, inet6: 0x20, unix: 0x30 }[addresses.family];
  return family + (addresses.transport === "stream" ? 1 : 2);
}

function addressBlock(addresses: ProxyAddresses | undefined): Buffer {
  if (addresses === undefined) return Buffer.alloc(0);
  if (addresses.family === "unix") {
    const block = Buffer.alloc(2 * UNIX_PATH_BYTES);
    block.write(addresses.source, 0, UNIX_PATH_BYTES, "utf8");
    block.write(addresses.destination, UNIX_PATH_BYTES, UNIX_PATH_BYTES, "utf8");
    return block;
  }
  const { source, destination } = addresses;
  const bytes = addresses.family === "inet" ? 4 : 16;
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(source.port, 0);
  ports.writeUInt16BE(destination.port, 2);
  return Buffer.concat([addressBytes(source.host, bytes), addressBytes(destination.host, bytes), ports]);
}

/** In the width asked for; IPv4 fits into IPv6 mapped, what does not fit is the unspecified address. */
function addressBytes(host: string, bytes: 4 | 16): Buffer {
  const own = parseIp(host);
  if (own?.length === bytes) return own;
  if (own === undefined || bytes === 4) return Buffer.alloc(bytes);
  return Buffer.concat([Buffer.alloc(10), Buffer.from([255, 255]), own]);
}

function extraTlvs({ alpn, authority, uniqueId, tls, namespace }: ProxyExtras): Uint8Array[] {
  const found: Uint8Array[] = [];
  if (alpn !== undefined) found.push(tlv(TLV_ALPN, Buffer.from(alpn, "latin1")));
  if (authority !== undefined) found.push(tlv(TLV_AUTHORITY, Buffer.from(authority)));
  if (uniqueId !== undefined) found.push(tlv(TLV_UNIQUE_ID, uniqueId));
  if (tls !== undefined) found.push(tlv(TLV_TLS, tlsValue(tls)));
  if (namespace !== undefined) found.push(tlv(TLV_NAMESPACE, Buffer.from(namespace, "latin1")));
  return found;
}

function tlsValue({ client, verified, version, commonName, cipher }: ProxyTls): Buffer {
  const parts: Uint8Array[] = [Buffer.from([client, 0, 0, 0, verified ? 0 : 1])];
  if (version !== undefined) parts.push(tlv(TLV_TLS_VERSION, Buffer.from(version, "latin1")));
  if (commonName !== undefined) parts.push(tlv(TLV_TLS_COMMON_NAME, Buffer.from(commonName)));
  if (cipher !== undefined) parts.push(tlv(TLV_TLS_CIPHER, Buffer.from(cipher, "latin1")));
  return Buffer.concat(parts);
}

function tlv(type: number, value: Buffer): Buffer {
  return Buffer.concat([Buffer.from([type, value.length >> 8, value.length & 255]), value]);
}
