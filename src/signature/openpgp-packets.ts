import { createHash } from "node:crypto";
import { Cursor } from "./cursor.ts";
import { invalidSignature } from "./failure.ts";
import type { Curve, HashName, PublicKey, SignatureNumbers } from "./verifier.ts";

/** A packet: RFC 9580, section 4. */
export interface Packet {
  readonly tag: number;
  readonly body: Uint8Array;
}

export const SIGNATURE = 2;
export const PUBLIC_KEY = 6;
export const USER_ID = 13;
export const PUBLIC_SUBKEY = 14;

/** Maximum number of packets of a text. */
const MAX_PACKETS = 4096;

/** Returns the packets of a message. Throws `corrupt` for packets of unknown length, which neither keys nor signatures have. */
export function readPackets(bytes: Uint8Array, what: string): Packet[] {
  const cursor = new Cursor(bytes, what);
  const packets: Packet[] = [];
  while (!cursor.isAtEnd) {
    if (packets.length >= MAX_PACKETS) throw invalidSignature(`failed to parse ${what}: too many packets`);
    const head = cursor.number(1);
    if ((head & 0x80) === 0) throw invalidSignature(`failed to parse ${what}: not a packet`);
    const isNew = (head & 0x40) !== 0;
    const length = isNew ? newLength(cursor, what) : oldLength(cursor, head & 3, what);
    packets.push({ tag: isNew ? head & 0x3f : (head >> 2) & 0x0f, body: cursor.take(length) });
  }
  return packets;
}

function newLength(cursor: Cursor, what: string): number {
  const first = cursor.number(1);
  if (first < 192) return first;
  if (first < 224) return (first - 192) * 256 + cursor.number(1) + 192;
  if (first === 255) return cursor.number(4);
  throw invalidSignature(`failed to parse ${what}: a packet in parts`);
}

function oldLength(cursor: Cursor, type: number, what: string): number {
  if (type === 3) throw invalidSignature(`failed to parse ${what}: a packet of unknown length`);
  return cursor.number(1 << type);
}

/** A public key or subkey. */
export interface KeyPacket {
  readonly body: Uint8Array;
  /** Seconds since 1970. */
  readonly createdAt: number;
  /** Its last eight bytes are the key id. In hexadecimal. */
  readonly fingerprint: string;
  /** Undefined for an algorithm that is not known here: no signature of it verifies. */
  readonly key: PublicKey | undefined;
}

/** Reads the body of a key packet. Undefined for another version than 4. */
export function readKey(body: Uint8Array): KeyPacket | undefined {
  const cursor = new Cursor(body, "public key");
  if (cursor.number(1) !== 4) return undefined;
  const createdAt = cursor.number(4);
  const key = readKeyMaterial(cursor.number(1), cursor);
  const fingerprint = createHash("sha1").update(keyHeader(body)).update(body).digest("hex");
  return { body, createdAt, fingerprint, key };
}

/** What comes before a key in the data that a signature of the key covers. */
export function keyHeader(body: Uint8Array): Uint8Array {
  return Uint8Array.of(0x99, body.length >> 8, body.length & 0xff);
}

/** Object identifiers of curves, in hexadecimal. */
const CURVES: ReadonlyMap<string, Curve> = new Map([
  ["2a8648ce3d030107", "P-256"],
  ["2b81040022", "P-384"],
  ["2b81040023", "P-521"],
]);
const ED25519 = "2b06010401da470f01";

function readKeyMaterial(algorithm: number, cursor: Cursor): PublicKey | undefined {
  switch (algorithm) {
    case 1:
    case 3:
      return { kind: "rsa", modulus: readNumber(cursor), exponent: readNumber(cursor) };
    case 19: {
      const curve = CURVES.get(Buffer.from(cursor.take(cursor.number(1))).toString("hex"));
      const point = readNumber(cursor);
      const half = (point.length - 1) / 2;
      if (curve === undefined || point[0] !== 4) return undefined;
      return { kind: "ecdsa", curve, x: point.subarray(1, 1 + half), y: point.subarray(1 + half) };
    }
    case 22: {
      const curve = Buffer.from(cursor.take(cursor.number(1))).toString("hex");
      const point = readNumber(cursor);
      return curve === ED25519 && point[0] === 0x40 ? { kind: "ed25519", key: point.subarray(1) } : undefined;
    }
    case 27:
      return { kind: "ed25519", key: cursor.take(32) };
    default:
      return undefined;
  }
}

/** Reads a number with its length in bits before it. */
function readNumber(cursor: Cursor): Uint8Array {
  return cursor.take(Math.ceil(cursor.number(2) / 8));
}

const HASHES: ReadonlyMap<number, HashName> = new Map([
  [2, "sha1"],
  [8, "sha256"],
  [9, "sha384"],
  [10, "sha512"],
]);

/** A signature. Times are seconds since 1970, lifetimes seconds. */
export interface SignaturePacket {
  readonly type: number;
  readonly algorithm: number;
  /** Undefined for a hash that is rejected. */
  readonly hash: HashName | undefined;
  readonly numbers: SignatureNumbers;
  /** What is hashed after the data. */
  readonly trailer: Uint8Array;
  readonly createdAt: number;
  readonly lifetime: number | undefined;
  readonly keyLifetime: number | undefined;
  /** Bit 2: the key may sign data. */
  readonly keyFlags: number | undefined;
  /** The fingerprint of the key, or its end, in hexadecimal. It is not to be trusted: it only says which key to try. */
  readonly issuer: string | undefined;
  /** A signature of a subkey about its primary key. */
  readonly embedded: Uint8Array | undefined;
  readonly revocationReason: string | undefined;
  /** A part that the signer wants to be understood is not known here. */
  readonly isStrange: boolean;
}

/** Reads the body of a signature packet. Undefined for another version than 4. */
export function readSignature(body: Uint8Array): SignaturePacket | undefined {
  const cursor = new Cursor(body, "signature");
  if (cursor.number(1) !== 4) return undefined;
  const [type, algorithm, hash] = [cursor.number(1), cursor.number(1), cursor.number(1)];
  const hashed = cursor.take(cursor.number(2));
  const covered = body.subarray(0, cursor.position);
  const unhashed = cursor.take(cursor.number(2));
  cursor.take(2);
  const numbers: Uint8Array[] = [];
  if (algorithm === 27) numbers.push(cursor.take(32), cursor.take(32));
  else while (!cursor.isAtEnd && numbers.length < 2) numbers.push(readNumber(cursor));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(covered.length);
  const trailer = Buffer.concat([covered, Uint8Array.of(4, 0xff), length]);
  return { type, algorithm, hash: HASHES.get(hash), numbers, trailer, ...readSubpackets(hashed, unhashed) };
}

/** Types of subpackets that are read, or may be ignored even if they are critical. */
const KNOWN = new Set([2, 3, 4, 5, 7, 9, 11, 16, 21, 22, 23, 25, 26, 27, 28, 29, 30, 32, 33, 34, 39]);

interface Subpacket {
  readonly type: number;
  readonly isCritical: boolean;
  readonly data: Uint8Array;
}

function splitSubpackets(bytes: Uint8Array): Subpacket[] {
  const cursor = new Cursor(bytes, "signature");
  const found: Subpacket[] = [];
  while (!cursor.isAtEnd) {
    const first = cursor.number(1);
    const length = first < 192 ? first : first < 255 ? (first - 192) * 256 + cursor.number(1) + 192 : cursor.number(4);
    const [head = 0, ...data] = cursor.take(length);
    found.push({ type: head & 0x7f, isCritical: head >= 0x80, data: Uint8Array.from(data) });
  }
  return found;
}

type Subpackets = Omit<SignaturePacket, "type" | "algorithm" | "hash" | "numbers" | "trailer">;

function readSubpackets(hashed: Uint8Array, unhashed: Uint8Array): Subpackets {
  const trusted = splitSubpackets(hashed);
  const all = [...trusted, ...splitSubpackets(unhashed)];
  const find = (from: readonly Subpacket[], type: number): Uint8Array | undefined =>
    from.find((each) => each.type === type)?.data;
  const number = (type: number): number | undefined => {
    const data = find(trusted, type);
    return data === undefined ? undefined : new Cursor(data, "signature").number(Math.min(4, data.length));
  };
  const [keyId, fingerprint, reason] = [find(all, 16), find(all, 33)?.subarray(1), find(trusted, 29)];
  const issuer = fingerprint ?? keyId;
  const flags = find(trusted, 27);
  return {
    createdAt: number(2) ?? 0,
    lifetime: number(3) || undefined,
    keyLifetime: number(9) || undefined,
    keyFlags: flags === undefined ? undefined : (flags[0] ?? 0),
    issuer: issuer === undefined ? undefined : Buffer.from(issuer).toString("hex"),
    embedded: find(all, 32),
    revocationReason: reason === undefined ? undefined : Buffer.from(reason.subarray(1)).toString(),
    isStrange: trusted.some(({ type, isCritical }) => isCritical && !KNOWN.has(type)),
  };
}
