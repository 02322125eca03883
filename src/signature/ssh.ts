import { createHash } from "node:crypto";
import { readArmor } from "./armor.ts";
import { Cursor } from "./cursor.ts";
import { MAX_INPUT, invalidSignature } from "./failure.ts";
import { type Curve, type HashName, type PublicKey, openVerifier, verifyPure } from "./verifier.ts";

/** A signature by `ssh-keygen -Y sign`, and the key that must have made it. */
export interface SshRequest {
  /** Armored. */
  readonly signature: Uint8Array;
  /** Lines as in `authorized_keys`, of which the first key is taken. */
  readonly key: Uint8Array;
  /** What the signature is for: `git` for commits and tags. */
  readonly namespace: string;
}

const MAGIC = "SSHSIG";
const CURVES: ReadonlyMap<string, Curve> = new Map([
  ["ecdsa-sha2-nistp256", "P-256"],
  ["ecdsa-sha2-nistp384", "P-384"],
  ["ecdsa-sha2-nistp521", "P-521"],
]);
const CURVE_HASHES: Readonly<Record<Curve, HashName>> = { "P-256": "sha256", "P-384": "sha384", "P-521": "sha512" };
const RSA_HASHES: ReadonlyMap<string, HashName> = new Map([
  ["rsa-sha2-256", "sha256"],
  ["rsa-sha2-512", "sha512"],
]);

/**
 * Verifies a signature of `data` in the format of OpenSSH's `PROTOCOL.sshsig`.
 *
 * @throws {VarveError} `corrupt` for a signature that is not by the key, or for another purpose.
 */
export function verifySsh({ signature, key, namespace }: SshRequest, data: Uint8Array): void {
  const parsed = readSignature(signature);
  const { type, blob, material } = readPublicKey(key);
  if (parsed.namespace !== namespace)
    throw invalidSignature(`unexpected SSH signature namespace: ${JSON.stringify(parsed.namespace)}`);
  if (Buffer.compare(parsed.key, blob) !== 0)
    throw invalidSignature("failed to verify ssh signature: it was made by another key");
  const message = Buffer.concat([
    Buffer.from(MAGIC),
    ...[namespace, parsed.reserved, parsed.hash, createHash(parsed.hash).update(data).digest()].map(lengthPrefixed),
  ]);
  if (!isValid(type, material, message, parsed.signature)) throw invalidSignature("failed to verify ssh signature");
}

function lengthPrefixed(part: string | Uint8Array): Buffer {
  const bytes = Buffer.from(part);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

function string(cursor: Cursor): Uint8Array {
  return cursor.take(cursor.number(4));
}

function text(cursor: Cursor): string {
  return Buffer.from(string(cursor)).toString("latin1");
}

interface SshSignature {
  readonly key: Uint8Array;
  readonly namespace: string;
  readonly reserved: Uint8Array;
  readonly hash: "sha256" | "sha512";
  readonly signature: Uint8Array;
}

function readSignature(armored: Uint8Array): SshSignature {
  const [block] = readArmor(armored, "ssh signature");
  if (block?.type !== "SSH SIGNATURE") throw invalidSignature("failed to decode ssh signature PEM block");
  const cursor = new Cursor(block.bytes, "ssh signature");
  if (Buffer.from(cursor.take(MAGIC.length)).toString("latin1") !== MAGIC)
    throw invalidSignature("failed to parse ssh signature: it does not begin with SSHSIG");
  const version = cursor.number(4);
  if (version !== 1) throw invalidSignature(`unsupported SSH signature version: ${version}`);
  const [key, namespace, reserved, hash] = [string(cursor), text(cursor), string(cursor), text(cursor)];
  if (hash !== "sha256" && hash !== "sha512")
    throw invalidSignature(`unsupported SSH signature hash algorithm: ${JSON.stringify(hash)}`);
  return { key, namespace, reserved, hash, signature: string(cursor) };
}

interface SshKey {
  readonly type: string;
  readonly blob: Uint8Array;
  readonly material: PublicKey;
}

/** Reads the first key of lines as in `authorized_keys`. */
function readPublicKey(text: Uint8Array): SshKey {
  if (text.length <= MAX_INPUT)
    for (const line of Buffer.from(text).toString("latin1").split("\n")) {
      const key = line.trim().startsWith("#") ? undefined : readKeyLine(line.trim().split(/\s+/));
      if (key !== undefined) return key;
    }
  throw invalidSignature("failed to parse ssh public key");
}

/** Finds the type of a key with the key after it. There may be options before, and a comment after. */
function readKeyLine(words: readonly string[]): SshKey | undefined {
  for (const [at, type] of words.entries()) {
    const blob = Buffer.from(words[at + 1] ?? "", "base64");
    if (!blob.subarray(0, 4 + type.length).equals(lengthPrefixed(type))) continue;
    const cursor = new Cursor(blob, "ssh public key");
    cursor.take(4 + type.length);
    const material = readMaterial(type, cursor);
    return material === undefined ? undefined : { type, blob, material };
  }
  return undefined;
}

function readMaterial(type: string, cursor: Cursor): PublicKey | undefined {
  if (type === "ssh-ed25519") return { kind: "ed25519", key: string(cursor) };
  if (type === "ssh-rsa") {
    const exponent = string(cursor);
    return { kind: "rsa", exponent, modulus: string(cursor) };
  }
  const curve = CURVES.get(type);
  if (curve === undefined) return undefined;
  string(cursor);
  const point = string(cursor);
  const half = (point.length - 1) / 2;
  return point[0] === 4
    ? { kind: "ecdsa", curve, x: point.subarray(1, 1 + half), y: point.subarray(1 + half) }
    : undefined;
}

function isValid(type: string, key: PublicKey, message: Uint8Array, signature: Uint8Array): boolean {
  const cursor = new Cursor(signature, "ssh signature");
  const [format, blob] = [text(cursor), string(cursor)];
  const hash = key.kind === "rsa" ? RSA_HASHES.get(format) : key.kind === "ecdsa" ? CURVE_HASHES[key.curve] : undefined;
  // A key of a kind other than RSA has one signature format, with the key's own name.
  if (key.kind !== "rsa" && format !== type) return false;
  if (key.kind === "ed25519") return verifyPure(key, message, blob);
  if (hash === undefined) throw invalidSignature(`unsupported SSH signature format: ${JSON.stringify(format)}`);
  const verifier = openVerifier(key, hash);
  verifier.update(message);
  if (key.kind === "rsa") return verifier.verify([blob]);
  const numbers = new Cursor(blob, "ssh signature");
  return verifier.verify([string(numbers), string(numbers)]);
}
