import { type FileHandle, open } from "node:fs/promises";
import { type Digest, VarveError, errnoOf, throwIfAborted, toVarveError } from "../core/index.ts";
import { type Blobs, notFound } from "./blobs.ts";
import { blobPath } from "./layout.ts";
import type { OpenOptions } from "./types.ts";

const CHUNK = 262_144;

function range(digest: Digest, size: number, { offset = 0, length }: OpenOptions): { start: number; end: number } {
  const valid = (n: number): boolean => Number.isSafeInteger(n) && n >= 0;
  if (!valid(offset) || offset > size || (length !== undefined && !valid(length)))
    throw new VarveError(
      "invalid-argument",
      `Cannot read blob ${digest}: range ${offset}+${length ?? ""} of ${size} bytes`,
    );
  return { start: offset, end: Math.min(size, offset + (length ?? size)) };
}

async function openFile(blobs: Blobs, digest: Digest): Promise<FileHandle> {
  try {
    return await open(blobPath(blobs.layout, digest), "r");
  } catch (error) {
    throw errnoOf(error) === "ENOENT" ? notFound(digest) : toVarveError(error, `read blob ${digest}`, "storage");
  }
}

/** Each chunk is the reader's to keep. */
export async function* readBlob(blobs: Blobs, digest: Digest, options: OpenOptions): AsyncGenerator<Uint8Array> {
  const row = blobs.find(digest);
  if (row === undefined) throw notFound(digest);
  const { start, end } = range(digest, row.size, options);
  await using file = await openFile(blobs, digest);
  for (let at = start; at < end;) {
    throwIfAborted(options.signal, `read blob ${digest}`);
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK, end - at));
    const { bytesRead } = await file.read(buffer, 0, buffer.byteLength, at);
    if (bytesRead === 0) throw new VarveError("corrupt", `Cannot read blob ${digest}: its file ends at ${at} bytes`);
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}
