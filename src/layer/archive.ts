import { createReadStream, lstatSync } from "node:fs";
import { isVarveError, Limits } from "../core/index.ts";
import { type Bytes, type CompressionFormat, decompress, detectCompression, type Named } from "../io/index.ts";
import type { Path } from "../linux/index.ts";
import { BLOCK } from "./tar/format.ts";
import { isHeader } from "./tar/header.ts";
import { readTar } from "./tar/read.ts";
import type { TarEntry } from "./types.ts";

export type ArchiveKind = "tar" | Exclude<CompressionFormat, "uncompressed">;

/** Bytes at the start of a stream that `archiveKind` looks at. */
export const ARCHIVE_HEAD: number = BLOCK;

/**
 * What sort of archive begins so: a compressed one by its magic number, a plain one by the checksum of its first header or by
 * its end marker. Undefined for what is none. What is compressed need not be an archive.
 */
export function archiveKind(head: Uint8Array): ArchiveKind | undefined {
  const format = detectCompression(head);
  if (format !== "uncompressed") return format;
  if (head.byteLength < BLOCK) return undefined;
  const block = Buffer.from(head.buffer, head.byteOffset, BLOCK);
  return isHeader(block) || block.every((byte) => byte === 0) ? "tar" : undefined;
}

/**
 * The entries of an archive as people have them, plain or compressed with gzip, zstd, bzip2 or xz, told by its content. Read
 * as Go's readers do, and so Docker's and BuildKit's: what follows the compressed data is ignored, and entries before damage
 * are yielded. Throws as `readTar` and `decompress`.
 */
export function readArchive(bytes: Bytes, { what }: Named): AsyncGenerator<TarEntry> {
  return readTar(decompress(bytes, { format: "detect", lenient: true, limit: Limits.layerUnpacked, what }), { what });
}

/**
 * Passes an uncompressed archive on while it is read; throws as `readTar`, before the end of the stream, for what is damaged
 * or no archive.
 */
export async function* checkedTar(tar: Bytes, named: Named): AsyncGenerator<Uint8Array> {
  let passing: Uint8Array[] = [];
  const watched = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of tar) {
      passing.push(chunk);
      yield chunk;
    }
  };
  const passed = (): Uint8Array[] => {
    const pieces = passing;
    passing = [];
    return pieces;
  };
  for await (const entry of readTar(watched(), named)) for await (const _content of entry.body) yield* passed();
  yield* passed();
}

/**
 * True for a regular file, not a link to one, that has an entry of an archive at its beginning, decompressed if need be,
 * whatever follows: what BuildKit and Docker unpack for ADD. Throws `unsupported` for a format whose program is missing:
 * that is no reason to copy the archive as it is.
 */
export async function isArchive(file: Path, what: string): Promise<boolean> {
  if (lstatSync(file, { throwIfNoEntry: false })?.isFile() !== true) return false;
  try {
    for await (const _entry of readArchive(createReadStream(file), { what })) return true;
    return false;
  } catch (error) {
    if (isVarveError(error, "corrupt", "limit-exceeded")) return false;
    throw error;
  }
}
