/** A value in DER, the encoding of certificates: ITU-T X.690. */
export type Der = Buffer;

const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bits: 0x03,
  octets: 0x04,
  identifier: 0x06,
  text: 0x0c,
  time: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** Encodes a value of any type. */
export function tagged(tag: number, ...parts: readonly Uint8Array[]): Der {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([tag]), lengthOf(content.length), content]);
}

function lengthOf(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length]);
  const bytes = Buffer.from(length.toString(16).padStart(Math.ceil(length.toString(16).length / 2) * 2, "0"), "hex");
  return Buffer.concat([Buffer.from([0x80 | bytes.length]), bytes]);
}

export function sequence(...parts: readonly Der[]): Der {
  return tagged(TAG.sequence, ...parts);
}

export function setOf(...parts: readonly Der[]): Der {
  return tagged(TAG.set, ...parts);
}

/** A positive integer, as its bytes. */
export function integer(bytes: Uint8Array): Der {
  const needsZero = bytes.length === 0 || (bytes[0] ?? 0) >= 0x80;
  return tagged(TAG.integer, ...(needsZero ? [Buffer.from([0])] : []), bytes);
}

export function yes(): Der {
  return tagged(TAG.boolean, Buffer.from([0xff]));
}

export function octets(content: Uint8Array): Der {
  return tagged(TAG.octets, content);
}

/** Bits, the last `unused` of which do not count. */
export function bits(content: Uint8Array, unused = 0): Der {
  return tagged(TAG.bits, Buffer.from([unused]), content);
}

export function text(value: string): Der {
  return tagged(TAG.text, Buffer.from(value, "utf8"));
}

/** A time, to the second. */
export function time(value: Date): Der {
  return tagged(TAG.time, Buffer.from(value.toISOString().replaceAll(/[-:T]|\.\d+/g, ""), "latin1"));
}

/** An identifier of a standard: `1.2.840.10045.4.3.2`. */
export function identifier(dotted: string): Der {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  return tagged(TAG.identifier, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

function base128(value: number): number[] {
  const digits = [value % 128];
  for (let left = Math.floor(value / 128); left > 0; left = Math.floor(left / 128)) digits.unshift(0x80 | (left % 128));
  return digits;
}
