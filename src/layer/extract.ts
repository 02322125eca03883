import { createReadStream, lstatSync } from "node:fs";
import { isVarveError, Limits, VarveError } from "../core/index.ts";
import { type Bytes, decompress, peek } from "../io/index.ts";
import { type Path, showPath } from "../linux/index.ts";
import { readTar } from "./tar-read.ts";
import { treeError } from "./tree-error.ts";
import type { TarEntry } from "./types.ts";
import { type Unpacked, unpack } from "./unpack.ts";

export interface ExtractOptions {
  /** Owner of everything, instead of what the archive says. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  /** Set owners at all, which takes CAP_CHOWN; true if left out. */
  readonly chown?: boolean;
  /** What the archive is called in messages; the path if left out. */
  readonly what?: string;
  /** Is shown each entry before it is unpacked; what it returns is unpacked instead. For whoever reads along. */
  readonly onEntry?: (entry: TarEntry) => TarEntry;
  readonly signal?: AbortSignal | undefined;
}

/** A file on disk, which is not followed if it is a link, or bytes. */
export type ArchiveSource = { readonly path: Path } | { readonly bytes: Bytes };

const CHUNK = 262_144;
const HEAD = 16_384;
const SLICE = 8;

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
  const bytes = "path" in source ? readFile(source.path, what) : source.bytes;
  if (bytes === undefined) return false;
  const { head, bytes: whole } = await peek(bytes, HEAD);
  const tar = decompress(whole, { format: "detect", limit: Limits.layerUnpacked, what });
  await using entries = readTar(tar, { what });
  const first = await firstOf(entries, head, what);
  if (first === undefined) return false;
  const ownership = options.chown === false ? "process" : (options.owner ?? "archive");
  return await unpack(shown(from(first, entries), options.onEntry), directory, {
    mode: { kind: "archive" },
    ownership,
    what,
    signal: options.signal,
  });
}

function readFile(path: Path, what: string): Bytes | undefined {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) throw new VarveError("not-found", `Cannot read ${what}: there is no such file`);
  return stats.isFile() ? createReadStream(path, { highWaterMark: CHUNK }) : undefined;
}

/** The first entry, or undefined if this is no archive; throws `corrupt` if it is one that is damaged further on. */
async function firstOf(entries: AsyncGenerator<TarEntry>, head: Buffer, what: string): Promise<TarEntry | undefined> {
  try {
    const first = await entries.next();
    return first.done === true ? undefined : first.value;
  } catch (error) {
    if (isVarveError(error, "corrupt") && !(await beginsWithEntry(head))) return undefined;
    throw treeError(error, `read ${what}`);
  }
}

/** A decoder reports damage instead of what came before it in the same piece; in small pieces what came before shows. */
async function beginsWithEntry(head: Buffer): Promise<boolean> {
  try {
    for await (const _entry of readTar(decompress(slices(head), { format: "detect", what: "" }))) return true;
    return false;
  } catch {
    return false;
  }
}

// oxlint-disable-next-line require-await -- an async generator is the shape of `Bytes`
async function* slices(data: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < data.length; at += SLICE) yield data.subarray(at, at + SLICE);
}

async function* shown(entries: AsyncGenerator<TarEntry>, onEntry: ExtractOptions["onEntry"]): AsyncGenerator<TarEntry> {
  for await (const entry of entries) yield onEntry?.(entry) ?? entry;
}

async function* from(first: TarEntry, rest: AsyncGenerator<TarEntry>): AsyncGenerator<TarEntry> {
  yield first;
  yield* rest;
}
