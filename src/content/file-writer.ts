import type { FileHandle } from "node:fs/promises";

/** Pieces below this many bytes are buffered: a tar of small files has thousands of them. */
const GATHER = 65_536;

/** Appends to a file with a buffer for small pieces. Keeps no reference to the caller's bytes. */
export class FileWriter {
  readonly #handle: FileHandle;
  #buffer: Buffer | undefined;
  #gathered = 0;
  /** Position of the next write, without the buffered bytes. */
  #position: number;

  constructor(handle: FileHandle, position: number) {
    this.#handle = handle;
    this.#position = position;
  }

  /** Bytes in the file and in the buffer. */
  get size(): number {
    return this.#position + this.#gathered;
  }

  /** Returns at most `length` bytes from `at`, which is below `size`: from the file, or a copy of buffered bytes. */
  async read(at: number, length: number): Promise<Uint8Array> {
    const inFile = this.#position - at;
    if (inFile <= 0)
      return Buffer.from(this.#buffer?.subarray(-inFile, Math.min(length - inFile, this.#gathered)) ?? []);
    const buffer = Buffer.allocUnsafe(Math.min(length, inFile));
    const { bytesRead } = await this.#handle.read(buffer, 0, buffer.byteLength, at);
    return buffer.subarray(0, bytesRead);
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (this.#gathered + chunk.byteLength > GATHER) await this.flush();
    if (chunk.byteLength >= GATHER) return await this.#put(chunk);
    this.#buffer ??= Buffer.allocUnsafe(GATHER);
    this.#buffer.set(chunk, this.#gathered);
    this.#gathered += chunk.byteLength;
  }

  async flush(): Promise<void> {
    if (this.#buffer === undefined || this.#gathered === 0) return;
    await this.#put(this.#buffer.subarray(0, this.#gathered));
  }

  /** Truncates the file and continues there. */
  async truncate(offset: number): Promise<void> {
    await this.flush();
    await this.#handle.truncate(offset);
    this.#position = offset;
  }

  async #put(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.byteLength;) {
      const left = bytes.byteLength - done;
      const { bytesWritten } = await this.#handle.write(bytes, done, left, this.#position + done);
      done += bytesWritten;
    }
    this.#position += bytes.byteLength;
    this.#gathered = 0;
  }
}
