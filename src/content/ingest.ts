import { createReadStream } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import {
  type Digest,
  type DigestAlgorithm,
  DigestHasher,
  VarveError,
  digestAlgorithm,
  isVarveError,
  throwIfAborted,
  toVarveError,
} from "../core/index.ts";
import type { Expected } from "../io/index.ts";
import type { Blobs } from "./blobs.ts";
import type { DirectorySync } from "./directory-sync.ts";
import { FileWriter } from "./file-writer.ts";
import { blobPath } from "./layout.ts";
import type { Place } from "./place.ts";
import { readBlob } from "./read.ts";
import { Tail, type TailEnd } from "./tail.ts";
import type { BlobInfo, CommitOptions, FollowOptions, Ingest, IngestOptions } from "./types.ts";

export interface IngestContext {
  readonly blobs: Blobs;
  readonly directories: DirectorySync;
}

async function hashFile(
  file: string,
  length: number,
  algorithm: DigestAlgorithm,
  signal?: AbortSignal,
): Promise<DigestHasher> {
  const hasher = new DigestHasher(algorithm);
  if (length === 0) return hasher;
  const chunks: AsyncIterable<Buffer> = createReadStream(file, { end: length - 1, highWaterMark: 262_144 });
  for await (const chunk of chunks) {
    throwIfAborted(signal, "resume a blob");
    hasher.update(chunk);
  }
  return hasher;
}

/** An ingest into a file. When it ends, its bytes are either discarded or kept for resuming. */
class FileIngest implements Ingest {
  readonly #context: IngestContext;
  readonly #place: Place;
  readonly #handle: FileHandle;
  readonly #expected: Expected;
  readonly #writer: FileWriter;
  readonly #signal: AbortSignal | undefined;
  readonly #tail: Tail;
  #hasher: DigestHasher;

  constructor(context: IngestContext, place: Place, handle: FileHandle, hasher: DigestHasher, options: IngestOptions) {
    this.#context = context;
    this.#place = place;
    this.#handle = handle;
    this.#hasher = hasher;
    this.#expected = options.expected ?? {};
    this.#signal = options.signal;
    this.#writer = new FileWriter(handle, hasher.size);
    this.#tail = new Tail(handle, this.#writer);
  }

  get offset(): number {
    return this.#hasher.size;
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#use();
    const { size } = this.#expected;
    await this.#orRemove(async () => {
      if (size !== undefined && this.offset + chunk.byteLength > size)
        throw this.#corrupt(`it is longer than ${size} bytes`);
      this.#hasher.update(chunk);
      await this.#writer.write(chunk);
      this.#tail.grown();
    });
  }

  async *follow({ signal }: FollowOptions = {}): AsyncGenerator<Uint8Array> {
    const { end } = this.#tail;
    if (end?.kind === "whole") yield* readBlob(this.#context.blobs, end.digest, { signal });
    else yield* this.#tail.read(`blob ${this.#place.name}`, signal);
  }

  async truncate(offset: number): Promise<void> {
    this.#use();
    if (!Number.isSafeInteger(offset) || offset < 0 || offset > this.offset)
      throw new VarveError("invalid-argument", `Cannot truncate a blob of ${this.offset} bytes to ${offset}`);
    await this.#orRemove(async () => {
      await this.#writer.truncate(offset);
      this.#tail.cut();
      this.#hasher = await hashFile(this.#place.file, offset, this.#hasher.algorithm, this.#signal);
    });
  }

  async commit(options: CommitOptions = {}): Promise<BlobInfo> {
    this.#use();
    const info = await this.#orRemove(async () => {
      await this.#writer.flush();
      const size = this.offset;
      const digest = await this.#check(options);
      const info = await this.#publish(digest, size, options);
      await this.#context.directories.sync(dirname(blobPath(this.#context.blobs.layout, digest)));
      return info;
    });
    await this.#end(false, { kind: "whole", digest: info.digest });
    return info;
  }

  async abort(): Promise<void> {
    await this.#end(false, this.#givenUp());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#tail.end !== undefined) return;
    await this.#writer.flush().catch(() => undefined);
    await this.#end(true, this.#givenUp());
  }

  async #publish(digest: Digest, size: number, options: CommitOptions): Promise<BlobInfo> {
    await this.#handle.chmod(0o444);
    await this.#handle.sync();
    return this.#context.blobs.publish(this.#place.file, digest, size, options);
  }

  /** Returns the digest of the bytes; throws `corrupt` if digest or size differ from the expected ones. */
  async #check(options: Expected): Promise<Digest> {
    const written = this.#hasher.digest();
    const digests = new Map([[this.#hasher.algorithm, written]]);
    for (const { digest, size } of [this.#expected, options]) {
      if (size !== undefined && size !== this.offset) throw this.#corrupt(`it has ${this.offset} bytes, not ${size}`);
      if (digest === undefined) continue;
      const algorithm = digestAlgorithm(digest);
      const actual =
        digests.get(algorithm) ?? (await hashFile(this.#place.file, this.offset, algorithm, this.#signal)).digest();
      digests.set(algorithm, actual);
      if (actual !== digest) throw this.#corrupt(`its digest is ${actual}, not ${digest}`);
    }
    return options.digest ?? this.#expected.digest ?? written;
  }

  #corrupt(state: string): VarveError {
    return new VarveError("corrupt", `Cannot write blob ${this.#place.name}: ${state}`, {
      details: { ...this.#expected, offset: this.offset },
    });
  }

  #givenUp(): TailEnd {
    const message = `Cannot read blob ${this.#place.name}: its writer aborted`;
    return { kind: "broken", error: new VarveError("not-found", message) };
  }

  #use(): void {
    if (this.#tail.end !== undefined)
      throw new VarveError("internal", `Cannot write blob ${this.#place.name}: its ingest has ended`);
    throwIfAborted(this.#signal, `write blob ${this.#place.name}`);
  }

  /** Wrong bytes, and bytes that filled the disk, are useless for the next ingest of the ref. */
  async #orRemove<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const failure = toVarveError(error, `write blob ${this.#place.name}`);
      await this.#end(isVarveError(failure, "cancelled", "busy"), { kind: "broken", error: failure });
      throw failure;
    }
  }

  async #end(keep: boolean, end: TailEnd): Promise<void> {
    if (this.#tail.end !== undefined) return;
    try {
      await this.#tail.close(end);
    } finally {
      await this.#place.release(keep);
    }
  }
}

/** Opens an ingest, which resumes at the end of the bytes that its place holds. */
export async function openIngest(context: IngestContext, place: Place, options: IngestOptions): Promise<Ingest> {
  let handle: FileHandle | undefined;
  try {
    throwIfAborted(options.signal, `write blob ${place.name}`);
    handle = await place.open();
    const { size } = await handle.stat();
    const tooLong = size > (options.expected?.size ?? Number.POSITIVE_INFINITY);
    if (tooLong) await handle.truncate(0);
    const algorithm = options.expected?.digest === undefined ? "sha256" : digestAlgorithm(options.expected.digest);
    const hasher = await hashFile(place.file, tooLong ? 0 : size, algorithm, options.signal);
    return new FileIngest(context, place, handle, hasher, options);
  } catch (error) {
    await handle?.close();
    await place.release(true);
    throw toVarveError(error, `write blob ${place.name}`);
  }
}
