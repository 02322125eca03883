import { type KeyObject, createHash, createPublicKey, createVerify, verify } from "node:crypto";
import { errnoOf } from "../core/index.ts";
import { invalidSignature } from "./failure.ts";

/** Hash functions of signatures. SHA-1 is for what old keys say about themselves, not for data. */
export type HashName = "sha1" | "sha256" | "sha384" | "sha512";

/** A public key. Numbers are big-endian. */
export type PublicKey =
  | { readonly kind: "rsa"; readonly modulus: Uint8Array; readonly exponent: Uint8Array }
  | { readonly kind: "ecdsa"; readonly curve: Curve; readonly x: Uint8Array; readonly y: Uint8Array }
  | { readonly kind: "ed25519"; readonly key: Uint8Array };

export type Curve = "P-256" | "P-384" | "P-521";

/** A signature's numbers: one for RSA, otherwise r and s. */
export type SignatureNumbers = readonly Uint8Array[];

const FIELD_BYTES: Readonly<Record<Curve, number>> = { "P-256": 32, "P-384": 48, "P-521": 66 };
const ED25519_BYTES = 32;
const MIN_RSA_BITS = 2048;

/** Verifies a signature of data that is given piece by piece. */
export interface Verifier {
  update(data: Uint8Array): void;
  /** Returns true if the signature is right. Nothing can be added after this. */
  verify(numbers: SignatureNumbers): boolean;
}

/** Returns a verifier. EdDSA signs the hash of the data, as in OpenPGP. */
export function openVerifier(key: PublicKey, hash: HashName): Verifier {
  const object = keyObject(key);
  if (key.kind === "ed25519") {
    const hasher = createHash(hash);
    return {
      update: (data) => void hasher.update(data),
      verify: (numbers) => {
        const signature = joined(numbers, 2, ED25519_BYTES);
        return signature !== undefined && verify(null, hasher.digest(), object, signature);
      },
    };
  }
  const verifier = createVerify(hash);
  const [count, length] = key.kind === "rsa" ? [1, stripped(key.modulus).length] : [2, FIELD_BYTES[key.curve]];
  return {
    update: (data) => void verifier.update(data),
    verify: (numbers) => {
      const signature = joined(numbers, count, length);
      return signature !== undefined && verifier.verify({ key: object, dsaEncoding: "ieee-p1363" }, signature);
    },
  };
}

/** Verifies a signature of whole data by Ed25519, without hashing it first. */
export function verifyPure(key: PublicKey, data: Uint8Array, signature: Uint8Array): boolean {
  return verify(null, data, keyObject(key), signature);
}

/** Returns the numbers one after the other, each with leading zeros to a length. Undefined for other numbers than expected. */
function joined(numbers: SignatureNumbers, count: number, length: number): Buffer | undefined {
  const fits = numbers.length === count && numbers.every((number) => stripped(number).length <= length);
  return fits ? Buffer.concat(numbers.map((number) => padded(number, length))) : undefined;
}

function padded(number: Uint8Array, length: number): Uint8Array {
  const digits = stripped(number);
  return Buffer.concat([Buffer.alloc(Math.max(0, length - digits.length)), digits]);
}

function stripped(number: Uint8Array): Uint8Array {
  const first = number.findIndex((byte) => byte !== 0);
  return first < 0 ? new Uint8Array() : number.subarray(first);
}

function keyObject(key: PublicKey): KeyObject {
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url");
  try {
    switch (key.kind) {
      case "rsa": {
        const object = createPublicKey({
          format: "jwk",
          key: { kty: "RSA", n: text(stripped(key.modulus)), e: text(key.exponent) },
        });
        const bits = object.asymmetricKeyDetails?.modulusLength ?? 0;
        if (bits < MIN_RSA_BITS) throw invalidSignature(`RSA key too short: ${bits} bits`);
        return object;
      }
      case "ecdsa": {
        const coordinate = (part: Uint8Array): string => text(padded(part, FIELD_BYTES[key.curve]));
        const [x, y] = [coordinate(key.x), coordinate(key.y)];
        return createPublicKey({ format: "jwk", key: { kty: "EC", crv: key.curve, x, y } });
      }
      case "ed25519":
        return createPublicKey({ format: "jwk", key: { kty: "OKP", crv: "Ed25519", x: text(key.key) } });
    }
  } catch (error) {
    if (errnoOf(error)?.startsWith("ERR_") === true) throw invalidSignature(`invalid public key of kind ${key.kind}`);
    throw error;
  }
}
