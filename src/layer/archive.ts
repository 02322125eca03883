import { createReadStream, lstatSync } from "node:fs";
import { isVarveError, Limits } from "../core/index.ts";
import { type Bytes, type CompressionFormat, decompress, detectCompression, type Named } from "../io/index.ts";
import type { Path } from "../linux/index.ts";
import { BLOCK } from "./tar/format.ts";
import { isHeader } from "./tar/header.ts";
import { readTar } from "./tar/read.ts";
import type { TarEntry } from "./types.ts";

/** "tar" for an uncompressed archive, otherwise its compression. */
export type ArchiveKind = "tar" | Exclude<CompressionFormat, "uncompressed">;

/** The number of bytes at the start of a file that `archiveKind` needs. */
export const ARCHIVE_HEAD: number = BLOCK;

/**
 * Detects the kind of an archive from its first `ARCHIVE_HEAD` bytes. A compressed file is recognised by its magic number, an
 * uncompressed archive by the checksum of its first header or by its end marker. Returns undefined for anything else. A
 * compressed file may still turn out not to contain an archive.
 */
export function archiveKind(head: Uint8Array): ArchiveKind | undefined {
  const format = detectCompression(head);
  if (format !== "uncompressed") return format;
  if (head.byteLength < BLOCK) return undefined;
  const block = Buffer.from(head.buffer, head.byteOffset, BLOCK);
  return isHeader(block) || block.every((byte) => byte === 0) ? "tar" : undefined;
}

/**
 * Returns the entries of a user's archive: uncompressed, or compressed with gzip, zstd, bzip2 or xz, as detected from its
 * content. Like Go's readers, and so Docker and BuildKit, it ignores bytes after the compressed data and yields the entries
 * before a damaged part.
 * @throws {VarveError} the errors of `readTar` and `decompress`
 */
export function readArchive(bytes: Bytes, { what }: Named): AsyncGenerator<TarEntry> {
  return readTar(decompress(bytes, { format: "detect", lenient: true, limit: Limits.layerUnpacked, what }), { what });
}

/**
 * Returns the bytes of an uncompressed archive unchanged, and checks them at the same time.
 * @throws {VarveError} the errors of `readTar`, before the end of the stream
 */
export async function* checkedTar(tar: Bytes, named: Named): AsyncGenerator<Uint8Array> {
  let read: Uint8Array[] = [];
  const recorded = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of tar) {
      read.push(chunk);
      yield chunk;
    }
  };
  const takeRead = (): Uint8Array[] => {
    const chunks = read;
    read = [];
    return chunks;
  };
  for await (const entry of readTar(recorded(), named)) for await (const _content of entry.body) yield* takeRead();
  yield* takeRead();
}

/**
 * Returns whether ADD unpacks a file, by the rule of BuildKit and Docker: it is a regular file, not a symbolic link, and it
 * begins with an archive entry, after decompression if necessary. What follows the first entry does not matter.
 * @throws {VarveError} `unsupported` if the program for its compression is not installed
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
