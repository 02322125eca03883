import { createHash } from "node:crypto";
import { promisify } from "node:util";
import { zstdCompress, zstdDecompress } from "node:zlib";
import { type Descriptor, type Digest, VarveError, isDigest, throwIfAborted } from "../core/index.ts";
import type { BlobInfo, OpenOptions } from "../content/index.ts";
import type { Database } from "../state/index.ts";
import type { BlobContent, DocumentCopy } from "./types.ts";

/** Bytes of one part of a blob before compression. */
const PART = 1024 * 1024;

/** Parts of fewer bytes are not compressed. */
const MIN_COMPRESSED = 4096;

/** Maximum number of bytes of one blob. */
const MAX_BLOB = 256 * 1024 * 1024;

interface Part {
  readonly size: number;
  readonly isCompressed: boolean;
  readonly data: Uint8Array;
}

/** A blob that is ready to be inserted. */
export interface PreparedBlob {
  readonly descriptor: Descriptor;
  readonly parts: readonly Part[];
}

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

/**
 * Reads, hashes and compresses a blob.
 *
 * @throws {VarveError} `limit-exceeded` for more than 256 MiB.
 */
export async function prepareBlob({ mediaType, data, annotations }: BlobContent): Promise<PreparedBlob> {
  const hash = createHash("sha256");
  const parts: Part[] = [];
  let size = 0;
  for await (const piece of pieces(data)) {
    size += piece.length;
    if (size > MAX_BLOB)
      throw new VarveError("limit-exceeded", `Cannot store a blob of a build: it has more than ${MAX_BLOB} bytes`);
    hash.update(piece);
    parts.push(await partOf(piece));
  }
  if (parts.length === 0) parts.push(await partOf(new Uint8Array()));
  const digest = `sha256:${hash.digest("hex")}`;
  if (!isDigest(digest)) throw new VarveError("internal", `Cannot store a blob of a build: ${digest} is no digest`);
  return { descriptor: { mediaType, digest, size, ...(annotations && { annotations }) }, parts };
}

/**
 * Prepares a copy of a document.
 *
 * @throws {VarveError} `corrupt` if the bytes do not have the descriptor's digest.
 */
export async function prepareDocument({ descriptor, data }: DocumentCopy): Promise<PreparedBlob> {
  const { parts, descriptor: stored } = await prepareBlob({ mediaType: descriptor.mediaType, data });
  if (stored.digest !== descriptor.digest)
    throw new VarveError("corrupt", `Cannot store ${descriptor.digest} of a build: the bytes have another digest`);
  return { descriptor, parts };
}

async function partOf(bytes: Uint8Array): Promise<Part> {
  const { length: size } = bytes;
  const data = size < MIN_COMPRESSED ? bytes : await compress(bytes);
  return data.length < size ? { size, isCompressed: true, data } : { size, isCompressed: false, data: bytes };
}

/** Cuts bytes into pieces of one part's size. */
async function* pieces(data: BlobContent["data"]): AsyncGenerator<Uint8Array> {
  let waiting: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of data instanceof Uint8Array ? [data] : data)
    for (let start = 0; start < chunk.length;) {
      const taken = chunk.subarray(start, start + PART - length);
      start += taken.length;
      waiting.push(taken);
      length += taken.length;
      if (length < PART) continue;
      yield Buffer.concat(waiting);
      waiting = [];
      length = 0;
    }
  if (length > 0) yield Buffer.concat(waiting);
}

/** The blobs of builds, in the tables of the history. They are read as those of a content store. */
export class BlobTable {
  readonly #state: Database;

  constructor(state: Database) {
    this.#state = state;
  }

  /** Inserts the blobs of a build. */
  insert(ref: string, blobs: readonly PreparedBlob[], createdAt: number): void {
    for (const { descriptor, parts } of blobs)
      for (const [index, { size, isCompressed, data }] of parts.entries())
        this.#state.run(
          "INSERT OR IGNORE INTO build_blob VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
          ref,
          descriptor.digest,
          index,
          size,
          descriptor.mediaType,
          createdAt,
          isCompressed ? 1 : 0,
          data,
        );
  }

  /** Deletes the blobs of a build. */
  delete(ref: string): void {
    this.#state.run("DELETE FROM build_blob WHERE ref = ?", ref);
  }

  info(digest: Digest): BlobInfo | undefined {
    const row = this.#state.get<BlobRow>(
      "SELECT digest, sum(size) AS size, created_at FROM build_blob WHERE digest = ? GROUP BY ref LIMIT 1",
      digest,
    );
    return row && infoOf(row);
  }

  /** Yields every blob once, in order of digest. */
  *walk(): Generator<BlobInfo> {
    const rows = this.#state.all<BlobRow>(
      `SELECT digest, size, created_at FROM (
         SELECT digest, ref, sum(size) AS size, created_at FROM build_blob GROUP BY digest, ref)
       GROUP BY digest ORDER BY digest`,
    );
    for (const row of rows) yield infoOf(row);
  }

  /**
   * Yields the bytes of a blob from `offset` on, at most `length`.
   *
   * @throws {VarveError} `not-found`, also if the build is deleted meanwhile.
   */
  async *open(digest: Digest, { offset = 0, length = Infinity, signal }: OpenOptions = {}): AsyncGenerator<Uint8Array> {
    const parts = this.#state.all<{ id: number; size: number }>(
      `SELECT rowid AS id, size FROM build_blob
         WHERE digest = ?1 AND ref = (SELECT min(ref) FROM build_blob WHERE digest = ?1) ORDER BY part`,
      digest,
    );
    if (parts.length === 0) throw missing(digest);
    let start = 0;
    for (const { id, size } of parts) {
      const from = Math.max(0, offset - start);
      const to = Math.min(size, offset + length - start);
      start += size;
      if (from >= to) continue;
      throwIfAborted(signal, `read ${digest}`);
      const bytes = await this.#part(digest, id);
      yield bytes.subarray(from, to);
    }
  }

  async #part(digest: Digest, rowid: number): Promise<Uint8Array> {
    const row = this.#state.get<{ isCompressed: number; data: Uint8Array }>(
      "SELECT is_compressed AS isCompressed, data FROM build_blob WHERE rowid = ? AND digest = ?",
      rowid,
      digest,
    );
    if (row === undefined) throw missing(digest);
    return row.isCompressed === 0 ? row.data : await decompress(row.data, { maxOutputLength: PART });
  }
}

interface BlobRow {
  readonly digest: Digest;
  readonly size: number;
  readonly created_at: number;
}

function infoOf({ digest, size, created_at: createdAt }: BlobRow): BlobInfo {
  return { digest, size, createdAt, labels: new Map() };
}

function missing(digest: Digest): VarveError {
  return new VarveError("not-found", `Cannot read ${digest}: no build of the history has it`, { details: { digest } });
}
