import type { Bytes } from "./bytes.ts";

/** Reads a stream in pieces of any size, some of which may be given back. */
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

  /** So many bytes, without taking them; fewer only at the end. */
  async peek(size: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for (let missing = size; missing > 0;) {
      const piece = await this.next();
      if (piece === undefined) break;
      pieces.push(piece);
      missing -= piece.length;
    }
    this.#head = pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces);
    return this.#head.subarray(0, size);
  }

  /** So many bytes; fewer only at the end. */
  async take(size: number): Promise<Buffer> {
    const bytes = await this.peek(size);
    this.#head = this.#head.subarray(bytes.length);
    return bytes;
  }

  /** Gives back the end of what `next` returned last. */
  unread(bytes: Buffer): void {
    this.#head = bytes;
  }

  async close(): Promise<void> {
    await this.#iterator.return?.();
  }
}
