/**
 * Reads a PROXY protocol header, of either version, from the first bytes of a connection.
 *
 * Pure and strict: the same bytes mean the same however they are cut, a beginning that no header has is refused at once, and
 * what the specification calls invalid is refused, never guessed at. Costs what the header is long; nothing is kept.
 */
import { crc32c } from "./crc32c.ts";
import { formatIp, parseIpv4, parseIpv6 } from "./ip-address.ts";
import {
  type ProxyAddresses,
  type ProxyExtras,
  type ProxyHeader,
  type ProxyTls,
  TLV_ALPN,
  TLV_AUTHORITY,
  TLV_CRC32C,
  TLV_NAMESPACE,
  TLV_TLS,
  TLV_TLS_CIPHER,
  TLV_TLS_COMMON_NAME,
  TLV_TLS_VERSION,
  TLV_UNIQUE_ID,
  UNIX_PATH_BYTES,
  V1_BYTES_MAX,
  V2_FIXED_BYTES,
  V2_START,
} from "./proxy-header.ts";

/** The specification means headers to fit a packet of 536 bytes; certificates in extensions make longer ones. */
export const PROXY_HEADER_BYTES_MAX = 4096;

export type ProxyReading =
  /** What is here is the beginning of a header. */
  | { readonly kind: "more" }
  /** `bytes`: how long it was; the client's own bytes follow. */
  | { readonly kind: "header"; readonly header: ProxyHeader; readonly bytes: number }
  | { readonly kind: "invalid"; readonly reason: string };

/** `bytes`: all that the connection brought so far. */
export function readProxyHeader(bytes: Buffer): ProxyReading {
  if (bytes.length === 0) return MORE;
  if (beginsLike(bytes, V1_START)) return readV1(bytes);
  if (beginsLike(bytes, V2_START)) return readV2(bytes);
  return invalid(`it begins with 0x${bytes.toString("hex", 0, 4)}, as no PROXY header does`);
}

const MORE: ProxyReading = { kind: "more" };
const V1_START = Buffer.from("PROXY ", "latin1");

function beginsLike(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length);
  return bytes.compare(start, 0, length, 0, length) === 0;
}

function invalid(reason: string): ProxyReading {
  return { kind: "invalid", reason };
}

// ── version 1 ──

function readV1(bytes: Buffer): ProxyReading {
  const text = bytes.toString("latin1", 0, V1_BYTES_MAX);
  // A lone CR or LF ends nothing; a CR at the end of what is here may still get its LF.
  const at = text.search(/\n|\r(?!$)/);
  if (at >= 0 && !(text[at] === "\r" && text[at + 1] === "\n")) return invalid("its line ends with a lone CR or LF");
  if (at < 0) {
    return text.length < V1_BYTES_MAX ? MORE : invalid(`its line is longer than ${V1_BYTES_MAX} bytes`);
  }
  const line = text.slice(0, at);
  const read = at + 2;
  if (line === "PROXY UNKNOWN" || line.startsWith("PROXY UNKNOWN ")) return told(undefined, read);
  const [, name = "", ...fields] = line.split(" ");
  if (name !== "TCP4" && name !== "TCP6") return invalid(`${shown(name)} is none of TCP4, TCP6 and UNKNOWN`);
  if (fields.length !== 4) return invalid(`its line has ${fields.length} fields after ${name} instead of 4`);
  const parse = name === "TCP4" ? parseIpv4 : parseIpv6;
  const [from, to] = [parse(fields[0]!), parse(fields[1]!)];
  if (from === undefined || to === undefined) {
    return invalid(`${shown(from === undefined ? fields[0]! : fields[1]!)} is no address of ${name}`);
  }
  const [fromPort, toPort] = [parsePort(fields[2]!), parsePort(fields[3]!)];
  if (fromPort === undefined || toPort === undefined) {
    return invalid(`${shown(fromPort === undefined ? fields[2]! : fields[3]!)} is no port`);
  }
  const source = { host: formatIp(from), port: fromPort };
  const destination = { host: formatIp(to), port: toPort };
  const family = name === "TCP4" ? "inet" : "inet6";
  return told({ family, transport: "stream", source, destination }, read);
}

function told(addresses: ProxyAddresses | undefined, bytes: number): ProxyReading {
  return { kind: "header", header: { version: 1, command: "proxy", addresses, extras: {} }, bytes };
}

function parsePort(text: string): number | undefined {
  return /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535 ? Number(text) : undefined;
}

/** What a stranger sent, for a message. */
function shown(text: string): string {
  return JSON.stringify(text.slice(0, 48));
}

// ── version 2 ──

const ADDRESS_BYTES: readonly number[] = [0, 12, 36, 2 * UNIX_PATH_BYTES];

function readV2(bytes: Buffer): ProxyReading {
  const versionAndCommand = bytes[12];
  if (versionAndCommand === undefined) return MORE;
  if (versionAndCommand >> 4 !== 2) return invalid(`its version is ${versionAndCommand >> 4}, not 2`);
  const command = versionAndCommand & 15;
  if (command > 1) return invalid(`its command ${command} is neither LOCAL nor PROXY`);
  const familyByte = bytes[13];
  if (familyByte === undefined) return MORE;
  const family = familyByte >> 4;
  const transport = familyByte & 15;
  const isLocal = command === 0;
  if (!isLocal && (family > 3 || transport > 2)) {
    return invalid(`0x${familyByte.toString(16).padStart(2, "0")} is no address family and protocol`);
  }
  if (bytes.length < V2_FIXED_BYTES) return MORE;
  const length = V2_FIXED_BYTES + bytes.readUInt16BE(14);
  if (length > PROXY_HEADER_BYTES_MAX) {
    return invalid(`it is ${length} bytes long, more than ${PROXY_HEADER_BYTES_MAX}`);
  }
  // LOCAL, or with either half unspecified, says nothing about addresses; what stands there is passed over.
  const known = !isLocal && family > 0 && transport > 0;
  const extrasAt = V2_FIXED_BYTES + (known ? ADDRESS_BYTES[family]! : 0);
  if (extrasAt > length) return invalid(`it has ${length - V2_FIXED_BYTES} bytes for addresses that need more`);
  if (bytes.length < length) return MORE;
  const header = bytes.subarray(0, length);
  const extras = readExtras(header, extrasAt);
  // Without a known family there may be addresses where extensions would be; only a checksum that is there counts.
  if (typeof extras === "string" && (known || extras === CHECKSUM_WRONG)) return invalid(extras);
  return {
    kind: "header",
    header: {
      version: 2,
      command: isLocal ? "local" : "proxy",
      addresses: known ? readAddresses(header, family, transport) : undefined,
      extras: typeof extras === "string" ? {} : extras,
    },
    bytes: length,
  };
}

function readAddresses(header: Buffer, family: number, protocol: number): ProxyAddresses {
  const transport = protocol === 1 ? "stream" : "datagram";
  const at = V2_FIXED_BYTES;
  if (family === 3) {
    const source = pathIn(header, at);
    return { family: "unix", transport, source, destination: pathIn(header, at + UNIX_PATH_BYTES) };
  }
  const width = family === 1 ? 4 : 16;
  const ports = at + 2 * width;
  return {
    family: family === 1 ? "inet" : "inet6",
    transport,
    source: { host: formatIp(header.subarray(at, at + width)), port: header.readUInt16BE(ports) },
    destination: { host: formatIp(header.subarray(at + width, ports)), port: header.readUInt16BE(ports + 2) },
  };
}

function pathIn(header: Buffer, at: number): string {
  const field = header.subarray(at, at + UNIX_PATH_BYTES);
  const end = field.indexOf(0);
  return field.toString("utf8", 0, end < 0 ? field.length : end);
}

// ── version 2: extensions ──

const CHECKSUM_WRONG = "its checksum is wrong";
const UNIQUE_ID_BYTES_MAX = 128;
/** Types that may stand once only: two of them would be two truths. */
const ONCE = new Set([TLV_ALPN, TLV_AUTHORITY, TLV_CRC32C, TLV_UNIQUE_ID, TLV_TLS, TLV_NAMESPACE]);

interface Tlv {
  readonly type: number;
  readonly value: Buffer;
  /** Where the value stands. */
  readonly at: number;
}

/** The extensions from `start` to the end, or why they are refused. */
function readExtras(header: Buffer, start: number): ProxyExtras | string {
  const tlvs = readTlvs(header, start);
  if (typeof tlvs === "string") return tlvs;
  const values = new Map<number, Buffer>();
  for (const { type, value, at } of tlvs) {
    if (!ONCE.has(type)) continue;
    if (values.has(type)) return `its extension 0x${type.toString(16)} stands twice`;
    values.set(type, value);
    if (type === TLV_CRC32C) {
      if (value.length !== 4) return `its checksum has ${value.length} bytes instead of 4`;
      if (crc32c(header, at, 4) !== value.readUInt32BE(0)) return CHECKSUM_WRONG;
    }
  }
  const uniqueId = values.get(TLV_UNIQUE_ID);
  if (uniqueId !== undefined && uniqueId.length > UNIQUE_ID_BYTES_MAX) {
    return `its unique id has ${uniqueId.length} bytes, more than ${UNIQUE_ID_BYTES_MAX}`;
  }
  const tlsBytes = values.get(TLV_TLS);
  const tls = tlsBytes === undefined ? undefined : readTls(tlsBytes);
  if (typeof tls === "string") return tls;
  return {
    alpn: values.get(TLV_ALPN)?.toString("latin1"),
    authority: values.get(TLV_AUTHORITY)?.toString("utf8"),
    uniqueId: uniqueId === undefined ? undefined : Buffer.from(uniqueId),
    tls,
    namespace: values.get(TLV_NAMESPACE)?.toString("latin1"),
  };
}

function readTls(value: Buffer): ProxyTls | string {
  if (value.length < 5) return `its TLS extension has ${value.length} bytes, fewer than 5`;
  const parts = readTlvs(value, 5);
  if (typeof parts === "string") return `in its TLS extension: ${parts}`;
  const find = (type: number): Buffer | undefined => parts.find((part) => part.type === type)?.value;
  return {
    client: value[0]!,
    verified: value.readUInt32BE(1) === 0,
    version: find(TLV_TLS_VERSION)?.toString("latin1"),
    commonName: find(TLV_TLS_COMMON_NAME)?.toString("utf8"),
    cipher: find(TLV_TLS_CIPHER)?.toString("latin1"),
  };
}

function readTlvs(bytes: Buffer, start: number): Tlv[] | string {
  const found: Tlv[] = [];
  for (let at = start; at < bytes.length;) {
    const value = at + 3;
    const end = value > bytes.length ? value : value + bytes.readUInt16BE(at + 1);
    if (end > bytes.length) return `an extension goes ${end - bytes.length} bytes beyond its end`;
    found.push({ type: bytes[at]!, value: bytes.subarray(value, end), at: value });
    at = end;
  }
  return found;
}
