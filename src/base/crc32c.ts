/** CRC-32C (Castagnoli, RFC 4960 appendix B), as the PROXY protocol protects its header with. A byte at a time: headers are short. */

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ 0x82f6_3b78 : rest >>> 1;
  return rest;
});

/** Of `bytes`, with those from `zeroesAt` counted as `zeroes` zero bytes. */
export function crc32c(bytes: Uint8Array, zeroesAt = -1, zeroes = 0): number {
  let rest = 0xffff_ffff;
  for (let at = 0; at < bytes.length; at++) {
    const byte = at >= zeroesAt && at < zeroesAt + zeroes ? 0 : bytes[at]!;
    rest = TABLE[(rest ^ byte) & 255]! ^ (rest >>> 8);
  }
  return (rest ^ 0xffff_ffff) >>> 0;
}
