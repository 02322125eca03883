import { digestHex, type Digest } from "../core/index.ts";
import type { ByteString } from "../linux/index.ts";
import type { Fingerprint } from "./file-stat.ts";

/** The cached digest of a file, and the metadata that the file had. */
export interface CachedDigest {
  readonly stat: Fingerprint;
  readonly digest: Digest;
}

const VERSION = 1;
/** Size of the metadata: five numbers of 8 bytes, and the mode. */
const FINGERPRINT = 5 * 8 + 4;
/** Size of the metadata and the SHA-256. */
const FIXED = FINGERPRINT + 32;

const scratch = Buffer.alloc(FINGERPRINT);
const scratchView = new DataView(scratch.buffer, scratch.byteOffset, scratch.byteLength);

/**
 * Encodes the cached digests of one directory: a version byte, then for each entry the length of its name (2 bytes), the name,
 * device, inode, size, mtime, ctime (8 bytes each), mode (4 bytes) and the SHA-256. All numbers are little-endian.
 */
export function encodeEntries(entries: ReadonlyMap<ByteString, CachedDigest>): Buffer {
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

/** The cached digests of one directory. An entry is decoded only when it is needed. */
export class StoredEntries {
  readonly #bytes: Buffer;
  /** The offset of the entry after the last one that was found: in an unchanged directory, that of the next one to be found. */
  #next = 1;
  /** The offset of each entry's metadata, once entries are looked for in another order. */
  #offsets: ReadonlyMap<ByteString, number> | undefined;

  /** Contains no entries if `stored` is damaged or has another version. */
  constructor(stored: Uint8Array | undefined) {
    const bytes = Buffer.from(stored?.buffer ?? new ArrayBuffer(0), stored?.byteOffset, stored?.byteLength);
    this.#bytes = isWhole(bytes) ? bytes : bytes.subarray(0, 0);
  }

  /** Returns the cached digest of a file, if its metadata has not changed. */
  digestOf(name: ByteString, stat: Fingerprint): Digest | undefined {
    const at = this.#find(name);
    if (at === undefined) return undefined;
    writeFingerprint(scratchView, 0, stat);
    return this.#bytes.compare(scratch, 0, FINGERPRINT, at, at + FINGERPRINT) === 0 ? this.#digest(at) : undefined;
  }

  /** Returns the cached digest and metadata of a file. */
  get(name: ByteString): CachedDigest | undefined {
    const at = this.#find(name);
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

  /** Returns the offset of an entry's metadata. */
  #find(name: ByteString): number | undefined {
    const at = this.#isNext(name) ? this.#next + 2 + name.length : (this.#offsets ??= offsetsOf(this.#bytes)).get(name);
    if (at !== undefined) this.#next = at + FIXED;
    return at;
  }

  #isNext(name: ByteString): boolean {
    const [bytes, at] = [this.#bytes, this.#next];
    if (at >= bytes.length || bytes.readUInt16LE(at) !== name.length) return false;
    for (let index = 0; index < name.length; index += 1)
      if (bytes[at + 2 + index] !== name.charCodeAt(index)) return false;
    return true;
  }
}

/** Returns whether the entries are of this version, and the last one ends where they end. */
function isWhole(bytes: Buffer): boolean {
  if (bytes[0] !== VERSION) return false;
  let at = 1;
  while (at + 2 <= bytes.length) at += 2 + bytes.readUInt16LE(at) + FIXED;
  return at === bytes.length;
}

function offsetsOf(bytes: Buffer): ReadonlyMap<ByteString, number> {
  const offsets = new Map<ByteString, number>();
  for (let at = 1; at < bytes.length;) {
    const start = at + 2;
    const end = start + bytes.readUInt16LE(at);
    offsets.set(bytes.toString("latin1", start, end), end);
    at = end + FIXED;
  }
  return offsets;
}
