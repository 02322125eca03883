import { digestHex, type Digest } from "../core/index.ts";
import type { ByteString } from "../linux/index.ts";
import type { Fingerprint } from "./file-stat.ts";

/** What is remembered of one file: its digest, and the state of the file it is the digest of. */
export interface Remembered {
  readonly stat: Fingerprint;
  readonly digest: Digest;
}

const VERSION = 1;
const DIGEST_BYTES = 32;
/** Five numbers of 8 bytes, the mode, the digest. */
const FIXED = 5 * 8 + 4 + DIGEST_BYTES;

/**
 * What is known of one directory as one value: a version byte, then for each entry the length of its name (2 bytes), the
 * name, device, inode, size, mtime, ctime (8 bytes each), mode (4) and the SHA-256; all little-endian.
 */
export function encodeEntries(entries: ReadonlyMap<ByteString, Remembered>): Buffer {
  let length = 1;
  for (const name of entries.keys()) length += 2 + name.length + FIXED;
  const out = Buffer.allocUnsafe(length);
  let at = out.writeUInt8(VERSION, 0);
  for (const [name, { stat, digest }] of entries) {
    at = out.writeUInt16LE(name.length, at);
    at += out.write(name, at, "latin1");
    at = out.writeBigUInt64LE(BigInt.asUintN(64, stat.dev), at);
    at = out.writeBigUInt64LE(BigInt.asUintN(64, stat.ino), at);
    at = out.writeBigInt64LE(stat.size, at);
    at = out.writeBigInt64LE(stat.mtime, at);
    at = out.writeBigInt64LE(stat.ctime, at);
    at = out.writeUInt32LE(stat.mode, at);
    at += out.write(digestHex(digest), at, "hex");
  }
  return out;
}

/** Entries of one directory, read from their stored form only as they are asked for. */
export class StoredEntries {
  readonly #bytes: Buffer;
  /** Where the fixed part of each entry begins. */
  readonly #places = new Map<ByteString, number>();

  /** A form of another version, or a damaged one, holds nothing. */
  constructor(stored: Uint8Array | undefined) {
    this.#bytes = Buffer.from(stored?.buffer ?? new ArrayBuffer(0), stored?.byteOffset, stored?.byteLength);
    if (this.#bytes[0] === VERSION) this.#index();
  }

  get(name: ByteString): Remembered | undefined {
    const at = this.#places.get(name);
    if (at === undefined) return undefined;
    const bytes = this.#bytes;
    const digest = bytes.subarray(at + 44, at + FIXED).toString("hex");
    return {
      stat: {
        dev: bytes.readBigUInt64LE(at),
        ino: bytes.readBigUInt64LE(at + 8),
        size: bytes.readBigInt64LE(at + 16),
        mtime: bytes.readBigInt64LE(at + 24),
        ctime: bytes.readBigInt64LE(at + 32),
        mode: bytes.readUInt32LE(at + 40),
      },
      digest: `sha256:${digest}`,
    };
  }

  #index(): void {
    const bytes = this.#bytes;
    for (let at = 1; at + 2 <= bytes.length;) {
      const start = at + 2;
      const end = start + bytes.readUInt16LE(at);
      if (end + FIXED > bytes.length) {
        this.#places.clear();
        return;
      }
      this.#places.set(bytes.toString("latin1", start, end), end);
      at = end + FIXED;
    }
  }
}
