import { Limits, VarveError } from "../../core/index.ts";
import type { Bytes } from "../../io/index.ts";
import type { ByteString } from "../../linux/index.ts";
import { EntryBody, filled, piecesOf } from "./body.ts";
import { BLOCK, corruptArchive, padding, quoted } from "./format.ts";
import { type Extensions, HeaderBlock, NO_EXTENSIONS } from "./header.ts";
import { type PaxRecords, parsePax } from "./pax.ts";
import { TarSource } from "./source.ts";
import { isSparse, readSparse, type SparseLayout } from "./sparse.ts";
import type { TarEntry, TarHeader } from "../types.ts";

export interface ReadTarOptions {
  /** Name of the archive in error messages. */
  readonly what?: string | undefined;
  /** Maximum number of entries. The default is 10 million. */
  readonly maxEntries?: number | undefined;
}

const MAX_ENTRIES = 10_000_000;

/**
 * Returns the entries of an uncompressed archive. Understands v7, POSIX ustar, PAX, GNU (long names, base-256 numbers, sparse
 * files) and star's name prefix.
 *
 * Behaves like Go's archive/tar, and so like Docker and containerd. Global PAX headers are checked and have no effect. The
 * archive ends at a zero block or at the end of the stream, and the padding of the last entry may be missing. Bytes after the
 * end marker are read and dropped. There is one difference: an extended header without an entry is `corrupt`, because an entry
 * was lost.
 *
 * @throws {VarveError} `corrupt` for a wrong checksum, number, PAX record or sparse map, and for an end within an entry;
 * `limit-exceeded` past `maxEntries`, for headers past `Limits.tarHeader`, for paths past `Limits.path`, and for sparse files
 * that together are larger than `Limits.layerUnpacked`; `unsupported` for unknown types
 *
 * @example
 * for await (const { path, type, size } of readTar(createReadStream("layer.tar"))) console.log(type, path, size);
 */
export async function* readTar(source: Bytes, options: ReadTarOptions = {}): AsyncGenerator<TarEntry> {
  const { what = "the archive", maxEntries = MAX_ENTRIES } = options;
  const input = new TarSource(source, what);
  /** Bytes that sparse files may still have. */
  let left: number = Limits.layerUnpacked;
  try {
    for (let count = 1; ; count += 1) {
      const read = await readHeader(input);
      if (read === undefined) break;
      if (count > maxEntries)
        throw new VarveError("limit-exceeded", `Cannot read ${what}: it has more than ${maxEntries} entries`);
      const { header, sparse } = read;
      const body = new EntryBody(input, sparse?.stored ?? header.size);
      if (sparse === undefined) yield { ...header, body };
      else {
        left -= sparse.size;
        if (left < 0) throw new VarveError("limit-exceeded", `Cannot read ${what}: its sparse files are too large`);
        yield { ...header, size: sparse.size, body: filled(body, sparse), pieces: piecesOf(body, sparse.extents) };
      }
      await body.finish();
    }
    await input.drain();
  } finally {
    await input.close();
  }
}

async function nextBlock(input: TarSource): Promise<HeaderBlock | undefined> {
  const block = input.take(BLOCK) ?? (await input.read(BLOCK));
  if (block === undefined) return undefined;
  if (block[0] !== 0 || !isZero(block)) return new HeaderBlock(block, input.what);
  const second = await input.read(BLOCK);
  if (second !== undefined && !isZero(second)) throw corruptArchive(input.what, "an entry follows its end marker");
  return undefined;
}

const ZERO = Buffer.alloc(BLOCK);

function isZero(block: Buffer): boolean {
  return ZERO.equals(block);
}

interface ReadHeader {
  readonly header: TarHeader;
  readonly sparse: SparseLayout | undefined;
}

/** Reads the header of an entry with its extensions and sparse map. Returns undefined at the end of the archive. */
export async function readHeader(input: TarSource): Promise<ReadHeader | undefined> {
  let extensions = NO_EXTENSIONS;
  /** Bytes that the extended headers and the sparse map may still have. */
  let left: number = Limits.tarHeader;
  for (;;) {
    const block = await nextBlock(input);
    if (block === undefined) {
      if (extensions !== NO_EXTENSIONS) throw corruptArchive(input.what, "an extended header has no entry");
      return undefined;
    }
    if (!isExtension(block.typeFlag)) {
      const [header, { pax }] = [block.entry(extensions), extensions];
      if (!isSparse(block, pax)) return { header, sparse: undefined };
      return await sparseEntry(input, block, { header, pax, maxMap: left });
    }
    left -= BLOCK + block.size;
    if (left < 0)
      throw new VarveError(
        "limit-exceeded",
        `Cannot read ${input.what}: an extended header is larger than ${Limits.tarHeader} bytes`,
      );
    extensions = extend(extensions, block, await readData(input, block.size));
  }
}

async function sparseEntry(
  input: TarSource,
  block: HeaderBlock,
  { header, pax, maxMap }: { readonly header: TarHeader; readonly pax: PaxRecords; readonly maxMap: number },
): Promise<ReadHeader> {
  if (header.type !== "file") throw corruptArchive(input.what, `${quoted(header.rawPath)} is sparse, but not a file`);
  return { header, sparse: await readSparse(input, { block, pax, stored: header.size, maxMap }) };
}

function isExtension(flag: string): boolean {
  return flag === "x" || flag === "g" || flag === "L" || flag === "K";
}

async function readData(input: TarSource, size: number): Promise<Buffer> {
  const data = size === 0 ? Buffer.alloc(0) : await input.read(size);
  if (data === undefined) throw input.truncated();
  await input.skipPadding(padding(size));
  return data;
}

function extend(extensions: Extensions, block: HeaderBlock, data: Buffer): Extensions {
  switch (block.typeFlag) {
    case "L":
      return { ...extensions, longName: untilNul(data) };
    case "K":
      return { ...extensions, longLink: untilNul(data) };
    default: {
      const pax = parsePax(data);
      if (pax === undefined) throw corruptArchive(block.what, "a PAX header is malformed");
      return block.typeFlag === "g" ? extensions : { ...extensions, pax };
    }
  }
}

function untilNul(data: Buffer): ByteString {
  const end = data.indexOf(0);
  return data.toString("latin1", 0, end < 0 ? data.length : end);
}
