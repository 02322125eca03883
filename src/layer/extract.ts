import { createReadStream, lstatSync } from "node:fs";
import { isVarveError, Limits } from "../core/index.ts";
import { type Bytes, decompress } from "../io/index.ts";
import { type Path, showPath } from "../linux/index.ts";
import { readTar } from "./tar-read.ts";
import type { TarEntry } from "./types.ts";
import { type Unpacked, unpack } from "./unpack.ts";

export interface ExtractOptions {
  /** Owner of everything, instead of what the archive says. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  /** Set owners at all, which takes CAP_CHOWN; true if left out. */
  readonly chown?: boolean;
  /** What the archive is called in messages; the path if left out. */
  readonly what?: string;
  readonly signal?: AbortSignal | undefined;
}

/** A file on disk, which is not followed if it is a link, or bytes. */
export type ArchiveSource = { readonly path: Path } | { readonly bytes: Bytes };

const CHUNK = 262_144;

/**
 * Unpacks an archive as ADD does: tar, plain or compressed with gzip, zstd, bzip2 or xz, told by its content. Returns false,
 * having touched nothing, if the source is no regular file or does not begin with an archive's entry. Names that begin with
 * ".wh." are names like others. A damaged archive is `corrupt`; bzip2 and xz without their programs are `unsupported`.
 */
export async function extractArchive(
  source: ArchiveSource,
  directory: Path,
  options: ExtractOptions = {},
): Promise<Unpacked | false> {
  const what = options.what ?? ("path" in source ? showPath(source.path) : "the archive");
  const bytes = "path" in source ? readFile(source.path) : source.bytes;
  if (bytes === undefined) return false;
  const tar = decompress(bytes, { format: "detect", limit: Limits.layerUnpacked, what });
  await using entries = readTar(tar, { what });
  const first = await firstOf(entries);
  if (first === undefined) return false;
  const ownership = options.chown === false ? "process" : (options.owner ?? "archive");
  return await unpack(from(first, entries), directory, {
    mode: { kind: "archive" },
    ownership,
    what,
    signal: options.signal,
  });
}

function readFile(path: Path): Bytes | undefined {
  return lstatSync(path).isFile() ? createReadStream(path, { highWaterMark: CHUNK }) : undefined;
}

/** The first entry, or undefined if this is no archive. */
async function firstOf(entries: AsyncGenerator<TarEntry>): Promise<TarEntry | undefined> {
  try {
    const first = await entries.next();
    return first.done === true ? undefined : first.value;
  } catch (error) {
    if (isVarveError(error, "corrupt")) return undefined;
    throw error;
  }
}

async function* from(first: TarEntry, rest: AsyncGenerator<TarEntry>): AsyncGenerator<TarEntry> {
  yield first;
  yield* rest;
}
