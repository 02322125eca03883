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
  /** What the archive is called in messages. */
  readonly what?: string | undefined;
  /** Entries after which the archive is refused; 10 million if left out. */
  readonly maxEntries?: number | undefined;
}

const MAX_ENTRIES = 10_000_000;

/**
 * The entries of an archive: v7, POSIX ustar, PAX, GNU long names, base-256 numbers and sparse files, star's prefix. Strict
 * and bounded: a wrong checksum, number, PAX record or map, or an end within an entry, is `corrupt`; extended headers and map
 * of one entry past `Limits.tarHeader`, a path past `Limits.path`, or sparse files that together are larger than
 * `Limits.layerUnpacked`, are `limit-exceeded`; unknown types are `unsupported`.
 *
 * As Go's archive/tar (and so Docker and containerd): global PAX headers are checked and have no effect; the archive ends at
 * a zero block or at the end of the stream, which may come before the padding of the last entry; what follows the end marker
 * is read and dropped. Unlike there, an extended header without its entry is `corrupt`: an entry has been lost.
 */
export async function* readTar(source: Bytes, options: ReadTarOptions = {}): AsyncGenerator<TarEntry> {
  const { what = "the archive", maxEntries = MAX_ENTRIES } = options;
  const input = new TarSource(source, what);
  let room: number = Limits.layerUnpacked;
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
        room -= sparse.size;
        if (room < 0) throw new VarveError("limit-exceeded", `Cannot read ${what}: its sparse files are too large`);
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

/** Reads an entry's header with all that belongs to it, or undefined at the end of the archive. */
export async function readHeader(input: TarSource): Promise<ReadHeader | undefined> {
  let extensions = NO_EXTENSIONS;
  let room: number = Limits.tarHeader;
  for (;;) {
    const block = await nextBlock(input);
    if (block === undefined) {
      if (extensions !== NO_EXTENSIONS) throw corruptArchive(input.what, "an extended header has no entry");
      return undefined;
    }
    if (!isExtension(block.typeFlag)) {
      const [header, { pax }] = [block.entry(extensions), extensions];
      if (!isSparse(block, pax)) return { header, sparse: undefined };
      return await sparseEntry(input, block, { header, pax, room });
    }
    room -= BLOCK + block.size;
    if (room < 0)
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
  { header, pax, room }: { readonly header: TarHeader; readonly pax: PaxRecords; readonly room: number },
): Promise<ReadHeader> {
  if (header.type !== "file") throw corruptArchive(input.what, `${quoted(header.rawPath)} is sparse, but no file`);
  return { header, sparse: await readSparse(input, { block, pax, stored: header.size, room }) };
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
