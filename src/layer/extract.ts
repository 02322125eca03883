import { createReadStream, lstatSync } from "node:fs";
import { VarveError } from "../core/index.ts";
import type { Bytes } from "../io/index.ts";
import { type Path, showPath } from "../linux/index.ts";
import { readArchive } from "./archive.ts";
import type { TarEntry } from "./types.ts";
import { type Unpacked, unpack } from "./unpack/unpack.ts";

export interface ExtractOptions {
  /** Owner of all files, instead of the owners in the archive. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  /** Set owners, which needs CAP_CHOWN. The default is true. */
  readonly chown?: boolean | undefined;
  /** Name of the archive in error messages. The default is its path. */
  readonly what?: string | undefined;
  /** Called with each entry before it is unpacked. Returns the entry to unpack, usually the same one. */
  readonly onEntry?: ((entry: TarEntry) => TarEntry) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** An archive: a regular file (a symbolic link is not followed), or a stream. */
export type ArchiveSource = { readonly path: Path } | { readonly bytes: Bytes };

const CHUNK = 262_144;

/**
 * Unpacks a user's archive, uncompressed or compressed, into a directory. The archive is not a layer: names that begin with
 * ".wh." have no special meaning.
 *
 * @throws {VarveError} `corrupt` if the archive is damaged or the file is not an archive, after unpacking the entries before the
 * damage; `unsupported` for bzip2 or xz if the program is not installed; `not-found` if the path is not a regular file
 *
 * @example
 * await extractArchive({ path: "context.tar.gz" }, "/tmp/context", { owner: { uid: 0, gid: 0 } });
 */
export async function extractArchive(
  source: ArchiveSource,
  directory: Path,
  options: ExtractOptions = {},
): Promise<Unpacked> {
  const what = options.what ?? ("path" in source ? showPath(source.path) : "the archive");
  const bytes = "path" in source ? readFile(source.path, what) : source.bytes;
  return await unpack(replaced(readArchive(bytes, { what }), options.onEntry), directory, {
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

async function* replaced(
  entries: AsyncGenerator<TarEntry>,
  onEntry: ExtractOptions["onEntry"],
): AsyncGenerator<TarEntry> {
  for await (const entry of entries) yield onEntry?.(entry) ?? entry;
}
