import type { Bytes } from "../../io/index.ts";
import { corruptArchive } from "./format.ts";

/** Reads a stream in pieces of the size that the format asks for; `onTaken` sees each piece as it is handed out or skipped. */
export class TarSource {
  readonly what: string;
  readonly #iterator: AsyncIterator<Uint8Array>;
  readonly #onTaken: ((piece: Buffer) => void) | undefined;
  #chunk: Buffer = Buffer.alloc(0);
  #ended = false;

  constructor(source: Bytes, what: string, onTaken?: (piece: Buffer) => void) {
    this.what = what;
    this.#onTaken = onTaken;
    this.#iterator = source[Symbol.asyncIterator]();
  }

  /** Exactly `size` bytes if they are at hand: the way without waiting. */
  take(size: number): Buffer | undefined {
    if (this.#chunk.length < size) return undefined;
    return this.#cut(size);
  }

  /** Exactly `size` bytes; undefined if the stream ends before the first of them, `corrupt` if it ends within. */
  async read(size: number): Promise<Buffer | undefined> {
    const pieces: Buffer[] = [];
    let missing = size;
    while (missing > 0) {
      if (this.#chunk.length === 0 && !(await this.#fill())) break;
      const piece = this.#cut(missing);
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

  /** Whatever is left, up to the end. */
  async *rest(): AsyncGenerator<Buffer> {
    while (this.#chunk.length > 0 || (await this.#fill())) yield this.#cut(this.#chunk.length);
  }

  async skip(size: number): Promise<void> {
    for (let left = size; left > 0;) left -= (await this.some(left)).length;
  }

  /** Skips the padding behind an entry's data. Returns false if the stream ends within it, as archives without an end do. */
  async skipPadding(size: number): Promise<boolean> {
    for (let left = size; left > 0;) {
      if (this.#chunk.length === 0 && !(await this.#fill())) return false;
      left -= this.#cut(left).length;
    }
    return true;
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

  /** At most `size` bytes of those at hand. */
  #cut(size: number): Buffer {
    const piece = this.#chunk.subarray(0, size);
    this.#chunk = this.#chunk.subarray(piece.length);
    this.#onTaken?.(piece);
    return piece;
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
