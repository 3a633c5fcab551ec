/** TLS client hellos, made by hand, so that they can be wrong in every way. */

/** A message in records of at most `recordBytes`. */
export function records(message: Buffer, recordBytes = 16_384): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < message.length; at += recordBytes) {
    const piece = message.subarray(at, at + recordBytes);
    parts.push(Buffer.from([0x16, 0x03, 0x01, piece.length >> 8, piece.length & 0xff]), piece);
  }
  return Buffer.concat(parts);
}

export function handshake(type: number, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from([type]), sized(3, body)]);
}

/** A client hello with these extensions; undefined: without any, as before TLS 1.2. */
export function hello(extensions: readonly Buffer[] | undefined): Buffer {
  return handshake(
    1,
    Buffer.concat([
      Buffer.from([0x03, 0x03]),
      Buffer.alloc(32, 0xaa),
      sized(1, Buffer.alloc(32, 0xbb)),
      sized(2, Buffer.from([0x13, 0x01, 0x13, 0x02])),
      sized(1, Buffer.from([0])),
      ...(extensions === undefined ? [] : [sized(2, Buffer.concat(extensions))]),
    ]),
  );
}

export function extension(type: number, value: Buffer): Buffer {
  return Buffer.concat([Buffer.from([type >> 8, type & 0xff]), sized(2, value)]);
}

export function serverName(name: string): Buffer {
  return extension(0, sized(2, Buffer.concat([Buffer.from([0]), sized(2, Buffer.from(name, "utf8"))])));
}

function sized(lengthBytes: number, content: Buffer): Buffer {
  const length = Buffer.alloc(lengthBytes);
  length.writeUIntBE(content.length, 0, lengthBytes);
  return Buffer.concat([length, content]);
}
