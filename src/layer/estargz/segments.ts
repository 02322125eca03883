import { bytesOf, decompress, gunzipSmall } from "../../io/index.ts";
import { corruptArchive } from "../tar/format.ts";
import { TarSource } from "../tar/source.ts";
import { type BlobReader, type TocClaim, naturalOf } from "./toc-read.ts";

/** The gzip members between two offsets that the table of contents names. */
interface Segment {
  /** Offset in the blob. */
  readonly offset: number;
  /** Offset in the decompressed archive. */
  readonly plain: number;
}

/**
 * The archive of a blob. It is decompressed piece by piece, from one offset in the table of contents to the next, which proves
 * that a gzip member begins at each offset. Throws `corrupt` if one does not, or if the offsets are not in order.
 */
export class Segments implements AsyncIterable<Uint8Array> {
  readonly #blob: BlobReader;
  readonly #end: number;
  readonly #offsets: AsyncIterable<number>;
  readonly #what: string;
  /** Started segments, from the one that `plainOffset` last returned. */
  readonly #started: Segment[] = [];
  /** Number of decompressed bytes so far. */
  #plain = 0;

  /** `end` is the offset at which the archive ends and the table of contents begins. */
  constructor(blob: BlobReader, end: number, claims: AsyncIterable<TocClaim>, what: string) {
    this.#blob = blob;
    this.#end = end;
    this.#offsets = offsetsOf(claims);
    this.#what = what;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    const raw = new TarSource(this.#blob.open(0, this.#end), this.#what);
    try {
      let start = 0;
      for await (const offset of this.#offsets) {
        if (offset === start) continue;
        if (offset < start || offset >= this.#end) throw this.#wrong();
        yield* this.#read(raw, start, offset);
        start = offset;
      }
      yield* this.#read(raw, start, this.#end);
    } finally {
      await raw.close();
    }
  }

  /** Converts the offset of a member in the blob to its offset in the archive. Call it with increasing offsets. */
  plainOffset(offset: number): number | undefined {
    const index = this.#started.findIndex((segment) => segment.offset === offset);
    this.#started.splice(0, index);
    return index < 0 ? undefined : this.#started[0]?.plain;
  }

  async *#read(raw: TarSource, from: number, to: number): AsyncGenerator<Uint8Array> {
    const plain = this.#plain;
    this.#started.push({ offset: from, plain });
    for await (const piece of decompressed(raw, to - from, this.#what)) {
      this.#plain += piece.byteLength;
      yield piece;
    }
    if (this.#plain === plain) throw this.#wrong();
  }

  #wrong(): Error {
    return corruptArchive(this.#what, "its table of contents names an offset where no content begins");
  }
}

/** Segments up to these sizes, compressed and decompressed, are decompressed without a stream. Bytes. */
const SMALL = 65_536;
const SMALL_PLAIN = 1_048_576;

/** Decompresses the next `size` bytes, which must be complete gzip members. */
async function* decompressed(raw: TarSource, size: number, what: string): AsyncGenerator<Uint8Array> {
  const whole = size <= SMALL ? await raw.read(size) : undefined;
  const plain = whole === undefined ? undefined : gunzipSmall(whole, SMALL_PLAIN);
  if (plain === undefined)
    yield* decompress(whole === undefined ? part(raw, size) : bytesOf(whole), { format: "gzip", what });
  else if (plain.length > 0) yield plain;
}

async function* part(raw: TarSource, size: number): AsyncGenerator<Uint8Array> {
  for (let left = size; left > 0;) {
    const piece = await raw.some(left);
    left -= piece.length;
    yield piece;
  }
}

async function* offsetsOf(claims: AsyncIterable<TocClaim>): AsyncGenerator<number> {
  for await (const claim of claims) {
    const type = claim.string("type");
    const isData = type === "reg" || type === "chunk";
    const offset = isData ? naturalOf(claim, "offset") : 0;
    if (offset !== 0) yield offset;
  }
}
