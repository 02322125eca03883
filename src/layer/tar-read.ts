import { Limits, VarveError } from "../core/index.ts";
import type { Bytes } from "../io/index.ts";
import type { ByteString } from "../linux/index.ts";
import { BLOCK, corruptArchive, padding } from "./tar-format.ts";
import { type Extensions, HeaderBlock, NO_EXTENSIONS } from "./tar-header.ts";
import { parsePax } from "./tar-pax.ts";
import { TarSource } from "./tar-source.ts";
import type { TarEntry, TarHeader } from "./types.ts";

export interface ReadTarOptions {
  /** What the archive is called in messages. */
  readonly what?: string;
  /** Entries after which the archive is refused; 10 million if left out. */
  readonly maxEntries?: number;
}

const MAX_ENTRIES = 10_000_000;

/**
 * The entries of an archive: v7, POSIX ustar, PAX, GNU long names and base-256 numbers, star's prefix. Strict and bounded: a
 * wrong checksum, number or PAX record, or an end within an entry, is `corrupt`; extended headers of one entry past
 * `Limits.tarHeader`, or a path past `Limits.path`, are `limit-exceeded`; sparse files and unknown types are `unsupported`.
 *
 * As Go's archive/tar (and so Docker and containerd): global PAX headers are checked and have no effect; the archive ends at
 * a zero block or at the end of the stream; what follows is read and dropped.
 */
export async function* readTar(source: Bytes, options: ReadTarOptions = {}): AsyncGenerator<TarEntry> {
  const { what = "the archive", maxEntries = MAX_ENTRIES } = options;
  const input = new TarSource(source, what);
  try {
    for (let count = 1; ; count += 1) {
      const header = await readHeader(input);
      if (header === undefined) break;
      if (count > maxEntries)
        throw new VarveError("limit-exceeded", `Cannot read ${what}: it has more than ${maxEntries} entries`);
      const body = new EntryBody(input, header.size);
      yield { ...header, body };
      await body.finish();
    }
    await input.drain();
  } finally {
    await input.close();
  }
}

/** The content of the entry that the reader stands at. */
class EntryBody implements Bytes {
  readonly #input: TarSource;
  readonly #size: number;
  #left: number;
  #finished = false;

  constructor(input: TarSource, size: number) {
    this.#input = input;
    this.#size = size;
    this.#left = size;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    while (this.#left > 0) {
      if (this.#finished)
        throw new VarveError("internal", "Cannot read an archive entry: the reader has gone on to the next");
      const chunk = await this.#input.some(this.#left);
      this.#left -= chunk.length;
      yield chunk;
    }
  }

  async finish(): Promise<void> {
    this.#finished = true;
    const rest = this.#left + padding(this.#size);
    if (rest > 0 && this.#input.take(rest) === undefined) await this.#input.skip(rest);
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

/** Reads an entry's header with all that comes before it, or undefined at the end of the archive. */
async function readHeader(input: TarSource): Promise<TarHeader | undefined> {
  let extensions = NO_EXTENSIONS;
  let room: number = Limits.tarHeader;
  for (;;) {
    const block = await nextBlock(input);
    if (block === undefined) {
      if (extensions !== NO_EXTENSIONS) throw corruptArchive(input.what, "an extended header has no entry");
      return undefined;
    }
    if (!isExtension(block.typeFlag)) return block.entry(extensions);
    room -= BLOCK + block.size;
    if (room < 0)
      throw new VarveError(
        "limit-exceeded",
        `Cannot read ${input.what}: an extended header is larger than ${Limits.tarHeader} bytes`,
      );
    extensions = extend(extensions, block, await readData(input, block.size));
  }
}

function isExtension(flag: string): boolean {
  return flag === "x" || flag === "g" || flag === "L" || flag === "K";
}

async function readData(input: TarSource, size: number): Promise<Buffer> {
  const data = size === 0 ? Buffer.alloc(0) : await input.read(size);
  if (data === undefined) throw input.truncated();
  await input.skip(padding(size));
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
      for (const key of pax.keys()) {
        if (key.startsWith("GNU.sparse."))
          throw new VarveError("unsupported", `Cannot read ${block.what}: it has sparse files`);
      }
      return block.typeFlag === "g" ? extensions : { ...extensions, pax };
    }
  }
}

function untilNul(data: Buffer): ByteString {
  const end = data.indexOf(0);
  return data.toString("latin1", 0, end < 0 ? data.length : end);
}
