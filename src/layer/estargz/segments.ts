import { bytesOf, decompress, gunzipSmall } from "../../io/index.ts";
import { corruptArchive } from "../tar/format.ts";
import { TarSource } from "../tar/source.ts";
import { type BlobReader, type TocClaim, naturalOf } from "./toc-read.ts";

/** Gzip members between two places that the table names: where they begin in the blob, and in what comes out. */
interface Segment {
  readonly offset: number;
  readonly plain: number;
}

/**
 * A blob's archive, decompressed from one place that its table of contents names to the next, so that each of these places is
 * known to begin a gzip member. Throws `corrupt` if one does not, or if they are not in order.
 */
export class Segments implements AsyncIterable<Uint8Array> {
  readonly #blob: BlobReader;
  readonly #end: number;
  readonly #offsets: AsyncIterable<number>;
  readonly #what: string;
  /** Segments begun, from the one that was asked for last. */
  readonly #begun: Segment[] = [];
  #plain = 0;

  /** `end` is where the archive ends and the table begins. */
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

  /** Where in the archive the member begins that begins at `offset` of the blob; asked for in order. */
  plainOffset(offset: number): number | undefined {
    const index = this.#begun.findIndex((segment) => segment.offset === offset);
    this.#begun.splice(0, index);
    return index < 0 ? undefined : this.#begun[0]?.plain;
  }

  async *#read(raw: TarSource, from: number, to: number): AsyncGenerator<Uint8Array> {
    const plain = this.#plain;
    this.#begun.push({ offset: from, plain });
    for await (const piece of decompressed(raw, to - from, this.#what)) {
      this.#plain += piece.byteLength;
      yield piece;
    }
    if (this.#plain === plain) throw this.#wrong();
  }

  #wrong(): Error {
    return corruptArchive(this.#what, "its table of contents names a place where no content begins");
  }
}

/** Compressed bytes that are not worth a stream, and the most that may come of them. */
const SMALL = 65_536;
const SMALL_PLAIN = 1_048_576;

/** The next `size` bytes, which have to be gzip data as a whole. */
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
    const isData = claim["type"] === "reg" || claim["type"] === "chunk";
    const offset = isData ? naturalOf(claim, "offset") : 0;
    if (offset !== 0) yield offset;
  }
}
