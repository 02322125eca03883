import type { FileHandle } from "node:fs/promises";

/** Pieces below this many bytes are gathered before they are written: a tar of small files is thousands of them. */
const GATHER = 65_536;

/** Appends to a file, in order, without a system call for each small piece. Keeps no reference to the caller's bytes. */
export class FileWriter {
  readonly #handle: FileHandle;
  #buffer: Buffer | undefined;
  #gathered = 0;
  /** Where the next byte goes in the file, gathered ones not counted. */
  #position: number;

  constructor(handle: FileHandle, position: number) {
    this.#handle = handle;
    this.#position = position;
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
    const pending = this.#buffer.subarray(0, this.#gathered);
    this.#gathered = 0;
    await this.#put(pending);
  }

  /** Cuts the file and goes on from there. */
  async truncate(offset: number): Promise<void> {
    await this.flush();
    await this.#handle.truncate(offset);
    this.#position = offset;
  }

  async #put(bytes: Uint8Array): Promise<void> {
    let done = 0;
    while (done < bytes.byteLength) {
      const { bytesWritten } = await this.#handle.write(bytes, done, bytes.byteLength - done, this.#position);
      done += bytesWritten;
      this.#position += bytesWritten;
    }
  }
}
