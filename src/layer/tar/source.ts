import type { Bytes } from "../../io/index.ts";
import { corruptArchive } from "./format.ts";

/** Reads a stream in pieces of given sizes. Calls `onTaken` with each piece that is returned or skipped. */
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

  /** Returns exactly `size` bytes, or undefined if they are not in memory yet. Faster than `read`, because it never waits. */
  take(size: number): Buffer | undefined {
    if (this.#chunk.length < size) return undefined;
    return this.#cut(size);
  }

  /** Returns exactly `size` bytes. Undefined at the end of the stream. Throws `corrupt` if the stream ends among them. */
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

  /** Returns the next bytes, at least one and at most `max`. Throws `corrupt` at the end of the stream. */
  async some(max: number): Promise<Buffer> {
    if (this.#chunk.length === 0 && !(await this.#fill())) throw this.truncated();
    return this.#cut(max);
  }

  /** Returns the rest of the stream. */
  async *rest(): AsyncGenerator<Buffer> {
    while (this.#chunk.length > 0 || (await this.#fill())) yield this.#cut(this.#chunk.length);
  }

  async skip(size: number): Promise<void> {
    for (let left = size; left > 0;) left -= (await this.some(left)).length;
  }

  /** Skips padding. Returns false if the stream ends before or within it. */
  async skipPadding(size: number): Promise<boolean> {
    for (let left = size; left > 0;) {
      if (this.#chunk.length === 0 && !(await this.#fill())) return false;
      left -= this.#cut(left).length;
    }
    return true;
  }

  /** Reads and drops the rest of the stream, so that checks at the end of the stream are done. */
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

  /** Returns at most `size` of the bytes in memory. */
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
