import { setImmediate } from "node:timers/promises";
import { VarveError } from "../../core/index.ts";
import type { Bytes } from "../../io/index.ts";
import { padding } from "./format.ts";
import type { TarSource } from "./source.ts";
import type { Extent, SparseLayout } from "./sparse.ts";
import type { TarPiece } from "../types.ts";

/** The stored content of the current entry. */
export class EntryBody implements Bytes {
  readonly #input: TarSource;
  readonly #size: number;
  #left: number;
  #finished = false;

  constructor(input: TarSource, size: number) {
    this.#input = input;
    this.#size = size;
    this.#left = size;
  }

  [Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    return this.read(Infinity);
  }

  /** Returns the next bytes, at most `max`. */
  async *read(max: number): AsyncGenerator<Uint8Array> {
    for (let left = Math.min(max, this.#left); left > 0;) {
      if (this.#finished)
        throw new VarveError("internal", "Cannot read an archive entry: the next entry was already requested");
      const chunk = await this.#input.some(left);
      left -= chunk.length;
      this.#left -= chunk.length;
      yield chunk;
    }
  }

  /** Skips the rest of the entry. Throws `corrupt` if the content is cut short. Padding may be missing at the archive's end. */
  async finish(): Promise<void> {
    this.#finished = true;
    const [data, pad] = [this.#left, padding(this.#size)];
    if (data + pad === 0 || this.#input.take(data + pad) !== undefined) return;
    await this.#input.skip(data);
    await this.#input.skipPadding(pad);
  }
}

/** Returns the stored pieces of a sparse file with their offsets in the file. */
export async function* piecesOf(body: EntryBody, extents: readonly Extent[]): AsyncGenerator<TarPiece> {
  for (const { offset, length } of extents) {
    let at = offset;
    for await (const bytes of body.read(length)) {
      yield { at, bytes };
      at += bytes.length;
    }
  }
}

/** Returns the content of a sparse file, with zeros for its holes. */
export async function* filled(body: EntryBody, { extents, size }: SparseLayout): AsyncGenerator<Uint8Array> {
  let end = 0;
  for await (const { at, bytes } of piecesOf(body, extents)) {
    yield* zeros(at - end);
    yield bytes;
    end = at + bytes.length;
  }
  yield* zeros(size - end);
}

const ZEROS = 262_144;
/** Bytes of a hole between two pauses that let other tasks run. */
const TURN = 64 * ZEROS;

async function* zeros(size: number): AsyncGenerator<Uint8Array> {
  for (let done = 0; done < size; done += ZEROS) {
    if (done > 0 && done % TURN === 0) await setImmediate();
    yield Buffer.alloc(Math.min(ZEROS, size - done));
  }
}
