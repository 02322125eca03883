import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { DigestHasher, type Digest } from "../../core/index.ts";
import { temporaryDirectory } from "../../io/index.ts";

/** Maximum size of the text in memory, in bytes. More text goes to a file. */
const MEMORY = 4_194_304;
const CHUNK = 262_144;

/** A text that is written piece by piece and then read once. A large text is stored in an unlinked temporary file. */
export class Spool implements AsyncDisposable {
  readonly #hasher = new DigestHasher();
  #pieces: string[] = [];
  #inMemory = 0;
  #file: FileHandle | undefined;

  /** Size of the text so far, in bytes. */
  get size(): number {
    return this.#hasher.size;
  }

  async write(text: string): Promise<void> {
    this.#hasher.update(text);
    this.#pieces.push(text);
    this.#inMemory += Buffer.byteLength(text);
    if (this.#inMemory < MEMORY) return;
    this.#file ??= await openUnlinked();
    await this.#file.writeFile(this.#take());
  }

  /** Ends the text. Returns its digest. */
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
    if (this.#inMemory > 0) yield this.#take();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file?.close();
  }

  #take(): Buffer {
    const taken = Buffer.from(this.#pieces.join(""));
    this.#pieces = [];
    this.#inMemory = 0;
    return taken;
  }
}

/** Opens a file whose name is removed, so that the file does not outlive the process. */
async function openUnlinked(): Promise<FileHandle> {
  await using directory = await temporaryDirectory();
  return await open(join(directory.path, "spool"), "wx+", 0o600);
}
