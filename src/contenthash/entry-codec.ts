import { digestHex, type Digest } from "../core/index.ts";
import type { ByteString } from "../linux/index.ts";
import type { Fingerprint } from "./file-stat.ts";

/** What is remembered of one file: its digest, and the state of the file it is the digest of. */
export interface Remembered {
  readonly stat: Fingerprint;
  readonly digest: Digest;
}

const VERSION = 1;
/** Five numbers of 8 bytes, and the mode. */
const FINGERPRINT = 5 * 8 + 4;
const FIXED = FINGERPRINT + 32;

const scratch = Buffer.alloc(FINGERPRINT);
const scratchView = new DataView(scratch.buffer, scratch.byteOffset, scratch.byteLength);

/**
 * What is known of one directory as one value: a version byte, then for each entry the length of its name (2 bytes), the
 * name, device, inode, size, mtime, ctime (8 bytes each), mode (4) and the SHA-256; all little-endian.
 */
export function encodeEntries(entries: ReadonlyMap<ByteString, Remembered>): Buffer {
  let length = 1;
  for (const name of entries.keys()) length += 2 + name.length + FIXED;
  const out = Buffer.allocUnsafe(length);
  const view = new DataView(out.buffer, out.byteOffset, out.byteLength);
  let at = out.writeUInt8(VERSION, 0);
  for (const [name, { stat, digest }] of entries) {
    at = out.writeUInt16LE(name.length, at);
    at += out.write(name, at, "latin1");
    writeFingerprint(view, at, stat);
    at += FINGERPRINT;
    at += out.write(digestHex(digest), at, "hex");
  }
  return out;
}

function writeFingerprint(view: DataView, at: number, stat: Fingerprint): void {
  view.setBigInt64(at, stat.dev, true);
  view.setBigInt64(at + 8, stat.ino, true);
  view.setBigInt64(at + 16, stat.size, true);
  view.setBigInt64(at + 24, stat.mtime, true);
  view.setBigInt64(at + 32, stat.ctime, true);
  view.setUint32(at + 40, stat.mode, true);
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

  /** The digest that is known of a file in this state. */
  digestOf(name: ByteString, stat: Fingerprint): Digest | undefined {
    const at = this.#places.get(name);
    if (at === undefined) return undefined;
    writeFingerprint(scratchView, 0, stat);
    return this.#bytes.compare(scratch, 0, FINGERPRINT, at, at + FINGERPRINT) === 0 ? this.#digest(at) : undefined;
  }

  /** All that is known of a file. */
  get(name: ByteString): Remembered | undefined {
    const at = this.#places.get(name);
    if (at === undefined) return undefined;
    const view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.byteLength);
    const stat = {
      dev: view.getBigInt64(at, true),
      ino: view.getBigInt64(at + 8, true),
      size: view.getBigInt64(at + 16, true),
      mtime: view.getBigInt64(at + 24, true),
      ctime: view.getBigInt64(at + 32, true),
      mode: view.getUint32(at + 40, true),
    };
    return { stat, digest: this.#digest(at) };
  }

  #digest(at: number): Digest {
    return `sha256:${this.#bytes.toString("hex", at + FINGERPRINT, at + FIXED)}`;
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
