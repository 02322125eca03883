import { createReadStream, lstatSync } from "node:fs";
import { VarveError } from "../core/index.ts";
import type { Bytes } from "../io/index.ts";
import { type Path, showPath } from "../linux/index.ts";
import { readArchive } from "./archive.ts";
import type { TarEntry } from "./types.ts";
import { type Unpacked, unpack } from "./unpack/unpack.ts";

export interface ExtractOptions {
  /** Owner of everything, instead of what the archive says. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  /** Set owners at all, which takes CAP_CHOWN; true if left out. */
  readonly chown?: boolean | undefined;
  /** What the archive is called in messages; the path if left out. */
  readonly what?: string | undefined;
  /** Is shown each entry before it is unpacked; what it returns is unpacked instead. For whoever reads along. */
  readonly onEntry?: ((entry: TarEntry) => TarEntry) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A file on disk, which is not followed if it is a link, or bytes. */
export type ArchiveSource = { readonly path: Path } | { readonly bytes: Bytes };

const CHUNK = 262_144;

/**
 * Unpacks an archive, plain or compressed, as `readArchive` reads it. Names that begin with ".wh." are names like others.
 * Throws `corrupt` for what is damaged or no archive (an archive without entries is one), having unpacked what comes before;
 * `unsupported` for bzip2 and xz without their programs; `not-found` for a path without a regular file.
 */
export async function extractArchive(
  source: ArchiveSource,
  directory: Path,
  options: ExtractOptions = {},
): Promise<Unpacked> {
  const what = options.what ?? ("path" in source ? showPath(source.path) : "the archive");
  const bytes = "path" in source ? readFile(source.path, what) : source.bytes;
  return await unpack(shown(readArchive(bytes, { what }), options.onEntry), directory, {
    mode: { kind: "archive" },
    ownership: options.chown === false ? "process" : (options.owner ?? "archive"),
    what,
    signal: options.signal,
  });
}

function readFile(path: Path, what: string): Bytes {
  if (lstatSync(path, { throwIfNoEntry: false })?.isFile() === true)
    return createReadStream(path, { highWaterMark: CHUNK });
  throw new VarveError("not-found", `Cannot read ${what}: there is no such regular file`);
}

async function* shown(entries: AsyncGenerator<TarEntry>, onEntry: ExtractOptions["onEntry"]): AsyncGenerator<TarEntry> {
  for await (const entry of entries) yield onEntry?.(entry) ?? entry;
}
