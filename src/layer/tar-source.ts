import type { Bytes } from "../io/index.ts";
import { corruptArchive } from "./tar-format.ts";

/** Reads a stream in pieces of the size that the format asks for. */
export class TarSource {
  readonly what: string;
  readonly #iterator: AsyncIterator<Uint8Array>;
  #chunk: Buffer = Buffer.alloc(0);
  #ended = false;

  constructor(source: Bytes, what: string) {
    this.what = what;
    this.#iterator = source[Symbol.asyncIterator]();
  }

  /** Exactly `size` bytes if they are at hand: the way without waiting. */
  take(size: number): Buffer | undefined {
    if (this.#chunk.length < size) return undefined;
    const taken = this.#chunk.subarray(0, size);
    this.#chunk = this.#chunk.subarray(size);
    return taken;
  }

  /** Exactly `size` bytes; undefined if the stream ends before the first of them, `corrupt` if it ends within. */
  async read(size: number): Promise<Buffer | undefined> {
    const pieces: Buffer[] = [];
    let missing = size;
    while (missing > 0) {
      if (this.#chunk.length === 0 && !(await this.#fill())) break;
      const piece = this.#chunk.subarray(0, missing);
      this.#chunk = this.#chunk.subarray(piece.length);
      pieces.push(piece);
      missing -= piece.length;
    }
    if (missing === size && size > 0) return undefined;
    if (missing > 0) throw this.truncated();
    return pieces.length === 1 ? pieces[0] : Buffer.concat(pieces);
  }

  /** The next bytes, at least one and at most `most`; throws `corrupt` at the end. */
  async some(most: number): Promise<Buffer> {
    if (this.#chunk.length === 0 && !(await this.#fill())) throw this.truncated();
    return this.take(Math.min(most, this.#chunk.length)) as Buffer;
  }

  async skip(size: number): Promise<void> {
    for (let left = size; left > 0;) left -= (await this.some(left)).length;
  }

  /** Reads what is left and drops it, so that whoever checks the whole stream gets to its end. */
  async drain(): Promise<void> {
    this.#chunk = Buffer.alloc(0);
    while (await this.#fill()) this.#chunk = Buffer.alloc(0);
  }

  async close(): Promise<void> {
    if (!this.#ended) await this.#iterator.return?.();
    this.#ended = true;
  }

  truncated(): Error {
    return corruptArchive(this.what, "it is cut short");
  }

  async #fill(): Promise<boolean> {
    while (!this.#ended) {
      const next = await this.#next();
      if (next === undefined) return false;
      if (next.byteLength === 0) continue;
      this.#chunk = Buffer.from(next.buffer, next.byteOffset, next.byteLength);
      return true;
    }
    return false;
  }

  async #next(): Promise<Uint8Array | undefined> {
    try {
      const next = await this.#iterator.next();
      if (next.done !== true) return next.value;
      this.#ended = true;
    } catch (error) {
      this.#ended = true;
      throw error;
    }
    return undefined;
  }
}
