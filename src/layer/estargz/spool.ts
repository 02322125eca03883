import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { DigestHasher, type Digest } from "../../core/index.ts";
import { temporaryDirectory } from "../../io/index.ts";

/** Bytes that are kept in memory; what is more goes to a file. */
const MEMORY = 4_194_304;
const CHUNK = 262_144;

/** Text that is gathered piece by piece and read once it is whole: on disk if it is large, in a file without a name. */
export class Spool implements AsyncDisposable {
  readonly #hasher = new DigestHasher();
  #pieces: string[] = [];
  #held = 0;
  #file: FileHandle | undefined;

  /** Bytes so far. */
  get size(): number {
    return this.#hasher.size;
  }

  async write(text: string): Promise<void> {
    this.#hasher.update(text);
    this.#pieces.push(text);
    this.#held += Buffer.byteLength(text);
    if (this.#held < MEMORY) return;
    this.#file ??= await openNameless();
    await this.#file.writeFile(this.#take());
  }

  /** Ends the text and gives its digest. */
  digest(): Digest {
    return this.#hasher.digest();
  }

  async *read(): AsyncGenerator<Uint8Array> {
    for (let at = 0; this.#file !== undefined;) {
      const { buffer, bytesRead } = await this.#file.read(Buffer.allocUnsafeSlow(CHUNK), 0, CHUNK, at);
      if (bytesRead === 0) break;
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
    if (this.#held > 0) yield this.#take();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file?.close();
  }

  #take(): Buffer {
    const taken = Buffer.from(this.#pieces.join(""));
    this.#pieces = [];
    this.#held = 0;
    return taken;
  }
}

/** A file whose name is gone, so that nothing is left of it when the process is. */
async function openNameless(): Promise<FileHandle> {
  await using directory = await temporaryDirectory();
  return await open(join(directory.path, "spool"), "wx+", 0o600);
}
