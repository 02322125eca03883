import type { Bytes } from "./bytes.ts";

/** Reads a stream in pieces of any size. Bytes can be pushed back. */
export class ByteQueue {
  readonly #iterator: AsyncIterator<Uint8Array>;
  #head: Buffer = Buffer.alloc(0);

  constructor(source: Bytes) {
    this.#iterator = source[Symbol.asyncIterator]();
  }

  /** The next bytes, at least one; undefined at the end. */
  async next(): Promise<Buffer | undefined> {
    const head = this.#head;
    this.#head = Buffer.alloc(0);
    if (head.length > 0) return head;
    for (;;) {
      const { done, value } = await this.#iterator.next();
      if (done === true) return undefined;
      if (value.byteLength > 0) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    }
  }

  /** Returns the next `size` bytes without consuming them; fewer only at the end. */
  async peek(size: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for (let missing = size; missing > 0;) {
      const piece = await this.next();
      if (piece === undefined) break;
      pieces.push(piece);
      missing -= piece.length;
    }
    const [first] = pieces;
    this.#head = first !== undefined && pieces.length === 1 ? first : Buffer.concat(pieces);
    return this.#head.subarray(0, size);
  }

  /** Consumes and returns `size` bytes; fewer only at the end. */
  async take(size: number): Promise<Buffer> {
    const bytes = await this.peek(size);
    this.#head = this.#head.subarray(bytes.length);
    return bytes;
  }

  /** Pushes back the end of the piece that `next` returned last. */
  unread(bytes: Buffer): void {
    this.#head = bytes;
  }

  async close(): Promise<void> {
    await this.#iterator.return?.();
  }
}
