import {
  type DamageState,
  type Digest,
  DigestHasher,
  VarveError,
  digestAlgorithm,
  digestOf,
  errnoOf,
  throwIfAborted,
  toVarveError,
} from "../core/index.ts";
import { free, freeable, readAt } from "../io/index.ts";
import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import type { FileIdentity } from "./blob-file.ts";
import { type BlobRow, type Blobs, notFound } from "./blobs.ts";
import { damagedBlob } from "./damage.ts";
import { readPath } from "./layout.ts";
import type { OpenOptions, VerifiedBlob } from "./types.ts";

const CHUNK = 262_144;
/** A blob's path may hold anything: do not follow links or wait for pipes. */
const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

interface Range {
  readonly start: number;
  readonly end: number;
}

function rangeOf(digest: Digest, size: number, { offset = 0, length }: OpenOptions): Range {
  const valid = (n: number): boolean => Number.isSafeInteger(n) && n >= 0;
  if (!valid(offset) || offset > size || (length !== undefined && !valid(length)))
    throw new VarveError(
      "invalid-argument",
      `Cannot read blob ${digest}: range ${offset}+${length ?? ""} of ${size} bytes`,
    );
  return { start: offset, end: Math.min(size, offset + (length ?? size)) };
}

function rowOf(blobs: Blobs, digest: Digest): BlobRow {
  const row = blobs.find(digest);
  if (row === undefined) throw notFound(digest);
  return row;
}

function openError(blobs: Blobs, digest: Digest, error: unknown): VarveError {
  // It was removed or replaced since it was found.
  return blobs.find(digest) === undefined ? notFound(digest) : toVarveError(error, `read blob ${digest}`, "storage");
}

/** Makes a damaged blob lost, unless its file was replaced meanwhile. Returns the error that says so. */
function lose(blobs: Blobs, digest: Digest, file: FileIdentity, state: DamageState, cause: unknown): VarveError {
  blobs.quarantine(digest, file);
  return damagedBlob(digest, state, cause);
}

function readError(
  digest: Digest,
  error: unknown,
  damaged: (state: DamageState, cause: unknown) => VarveError,
): VarveError {
  return errnoOf(error) === "EIO"
    ? damaged("unreadable", error)
    : toVarveError(error, `read blob ${digest}`, "storage");
}

/** The open file of one blob. Any damage makes the blob lost, unless its file was replaced meanwhile. */
class OpenBlob implements AsyncDisposable {
  readonly row: BlobRow;
  readonly #blobs: Blobs;
  readonly #file: FileHandle;
  readonly #identity: FileIdentity;

  private constructor(blobs: Blobs, row: BlobRow, file: FileHandle, identity: FileIdentity) {
    this.#blobs = blobs;
    this.row = row;
    this.#file = file;
    this.#identity = identity;
  }

  static async open(blobs: Blobs, digest: Digest): Promise<OpenBlob> {
    return await OpenBlob.ofRow(blobs, rowOf(blobs, digest));
  }

  static async ofRow(blobs: Blobs, row: BlobRow): Promise<OpenBlob> {
    const { digest } = row;
    let file: FileHandle | undefined;
    try {
      file = await open(readPath(blobs.layout, digest), FLAGS);
      return new OpenBlob(blobs, row, file, await file.stat());
    } catch (error) {
      await file?.close();
      throw openError(blobs, digest, error);
    }
  }

  /** A path that refers to this open file. */
  get path(): string {
    return `/proc/self/fd/${this.#file.fd}`;
  }

  /** Reads at least one byte from `at`, at most a chunk, and none past `end`. */
  async read(at: number, end: number, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const { digest } = this.row;
    throwIfAborted(signal, `read blob ${digest}`);
    const buffer = Buffer.allocUnsafeSlow(Math.min(CHUNK, end - at));
    const { bytesRead } = await this.#file.read(buffer, 0, buffer.byteLength, at).catch((error: unknown) => {
      throw readError(digest, error, (state, cause) => this.damaged(state, cause));
    });
    if (bytesRead === 0) throw this.damaged("wrong-size");
    return buffer.subarray(0, bytesRead);
  }

  damaged(state: DamageState, cause?: unknown): VarveError {
    return lose(this.#blobs, this.row.digest, this.#identity, state, cause);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}

/**
 * Yields a part of a blob, for which the whole blob is read. Each chunk is read and hashed while the reader processes the previous one;
 * the last chunk is yielded only if the digest is right.
 */
async function* verifiedPart(
  blob: OpenBlob,
  { start, end }: Range,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const { digest, size } = blob.row;
  const hasher = new DigestHasher(digestAlgorithm(digest));
  const next = async (): Promise<Uint8Array> => {
    const chunk = await blob.read(hasher.size, size, signal);
    hasher.update(chunk);
    return chunk;
  };
  let held: Uint8Array | undefined;
  for (let at = 0; at < size;) {
    const coming = next();
    // Handled below, when the reader asks for the next chunk.
    coming.catch(() => undefined);
    try {
      if (held !== undefined && at < end) {
        const ready = held;
        held = undefined;
        yield ready;
      }
    } finally {
      await coming.catch(() => undefined);
    }
    const chunk = await coming;
    const part = chunk.subarray(Math.max(0, start - at), Math.max(0, end - at));
    at += chunk.byteLength;
    if (part.byteLength > 0) held = freeable(part);
    else free(freeable(chunk));
  }
  if (hasher.digest() !== digest) throw blob.damaged("wrong-digest");
  if (held !== undefined) yield held;
}

/** Bytes of a blob that is read at once, in this thread: to hand less to another thread takes longer than to read it. */
const SMALL = 65_536;

/** Reads all of a small blob. */
function readSmall(blobs: Blobs, { digest, size }: BlobRow, { verify = true }: OpenOptions): Uint8Array {
  let fd: number;
  try {
    fd = openSync(readPath(blobs.layout, digest), FLAGS);
  } catch (error) {
    throw openError(blobs, digest, error);
  }
  try {
    const identity = fstatSync(fd);
    const damaged = (state: DamageState, cause?: unknown): VarveError => lose(blobs, digest, identity, state, cause);
    const content = readStart(fd, size, (error) => readError(digest, error, damaged));
    if (content.length < size) throw damaged("wrong-size");
    if (verify && digestOf(content, digestAlgorithm(digest)) !== digest) throw damaged("wrong-digest");
    return content;
  } finally {
    closeSync(fd);
  }
}

function readStart(fd: number, size: number, failure: (error: unknown) => VarveError): Uint8Array {
  try {
    return readAt(fd, 0, size);
  } catch (error) {
    throw failure(error);
  }
}

/** The reader may keep each chunk. */
export async function* readBlob(blobs: Blobs, digest: Digest, options: OpenOptions): AsyncGenerator<Uint8Array> {
  const row = rowOf(blobs, digest);
  if (row.size <= SMALL) {
    const { start, end } = rangeOf(digest, row.size, options);
    throwIfAborted(options.signal, `read blob ${digest}`);
    const content = readSmall(blobs, row, options);
    if (end > start) yield content.subarray(start, end);
    return;
  }
  await using blob = await OpenBlob.ofRow(blobs, row);
  const range = rangeOf(digest, blob.row.size, options);
  yield* options.verify === false ? part(blob, range, options.signal) : verifiedPart(blob, range, options.signal);
}

async function verify(blob: OpenBlob, signal: AbortSignal | undefined): Promise<void> {
  const nothing = { start: 0, end: 0 };
  for await (const _chunk of verifiedPart(blob, nothing, signal));
}

/** Reads all of a blob. Throws as `readBlob` does. */
export async function verifyBlob(blobs: Blobs, digest: Digest, signal: AbortSignal | undefined): Promise<BlobRow> {
  await using blob = await OpenBlob.open(blobs, digest);
  await verify(blob, signal);
  return blob.row;
}

/** A blob that was verified once, so that any part of its file can be read. */
export async function openVerified(
  blobs: Blobs,
  digest: Digest,
  signal: AbortSignal | undefined,
): Promise<VerifiedBlob> {
  await using stack = new AsyncDisposableStack();
  const blob = stack.use(await OpenBlob.open(blobs, digest));
  await verify(blob, signal);
  const owned = stack.move();
  return {
    size: blob.row.size,
    path: blob.path,
    open: (offset, length) => part(blob, rangeOf(digest, blob.row.size, { offset, length }), signal),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function* part(
  blob: OpenBlob,
  { start, end }: Range,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  for (let at = start; at < end;) {
    const chunk = await blob.read(at, end, signal);
    at += chunk.byteLength;
    yield chunk;
  }
}
