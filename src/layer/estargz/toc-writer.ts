import { DigestHasher, type Digest, digestOf } from "../../core/index.ts";
import type { TarHeader } from "../types.ts";
import { Spool } from "./spool.ts";
import { CHUNK_SIZE, encodeTocEntry, type TocEntry, tocEntryOf } from "./toc.ts";

/** An entry of which so many facts are still missing. */
interface Slot {
  entry: TocEntry;
  missing: number;
}

/**
 * Puts a table of contents together while an archive passes. What an entry says becomes known in two places: digests where
 * the archive is read, offsets where its compressed members come out, some way behind. Entries are written in the archive's
 * order as soon as they are complete.
 */
export class TocWriter implements AsyncDisposable {
  readonly #spool = new Spool();
  /** From the first that is not complete. */
  readonly #slots: Slot[] = [];
  /** Chunks whose members have not come out. */
  readonly #awaiting: Slot[] = [];
  #separator = '{"version":1,"entries":[\n';

  /** The next entry of the archive; the content of a file that is not empty follows. */
  begin(header: TarHeader): FileContent | undefined {
    const entry = tocEntryOf(header);
    const slot = {
      entry: header.type === "file" && header.size === 0 ? { ...entry, digest: digestOf("") } : entry,
      missing: 0,
    };
    this.#slots.push(slot);
    return header.size === 0 ? undefined : new FileContent(slot, header.size, (chunk) => this.#addChunk(chunk, slot));
  }

  /** The next chunk's member begins here. */
  memberAt(offset: number): void {
    const slot = this.#awaiting.shift();
    if (slot !== undefined) know(slot, { offset });
  }

  /** Writes down what is complete. */
  async flush(): Promise<void> {
    for (let slot = this.#slots[0]; slot?.missing === 0; slot = this.#slots[0]) {
      this.#slots.shift();
      await this.#spool.write(this.#separator + encodeTocEntry(slot.entry));
      this.#separator = ",\n";
    }
  }

  /** Ends the table: the JSON text, its size and digest. */
  async end(): Promise<{ readonly size: number; readonly digest: Digest; readonly bytes: AsyncIterable<Uint8Array> }> {
    await this.flush();
    await this.#spool.write(this.#separator.startsWith("{") ? `${this.#separator}]}` : "\n]}");
    const digest = this.#spool.digest();
    return { size: this.#spool.size, digest, bytes: this.#spool.read() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#spool[Symbol.asyncDispose]();
  }

  #addChunk(chunk: Slot, file: Slot): void {
    this.#awaiting.push(chunk);
    if (chunk !== file) this.#slots.push(chunk);
  }
}

/** The content of a file as it passes, cut into chunks of `CHUNK_SIZE`. */
class FileContent {
  readonly #file: Slot;
  readonly #size: number;
  readonly #onChunk: (chunk: Slot) => void;
  readonly #whole = new DigestHasher();

  constructor(file: Slot, size: number, onChunk: (chunk: Slot) => void) {
    this.#file = file;
    this.#size = size;
    this.#onChunk = onChunk;
    file.missing += 1;
  }

  /** The chunks, one after the other; the bytes of each pass before the next is asked for. */
  *chunks(): Generator<{ readonly size: number; update(piece: Uint8Array): void }> {
    for (let at = 0; at < this.#size; at += CHUNK_SIZE) {
      const size = Math.min(CHUNK_SIZE, this.#size - at);
      const slot =
        at === 0 ? this.#file : { entry: { name: this.#file.entry.name, type: "chunk" as const }, missing: 0 };
      slot.missing += 2;
      this.#onChunk(slot);
      const hasher = new DigestHasher();
      yield {
        size,
        update: (piece) => {
          hasher.update(piece);
          this.#whole.update(piece);
        },
      };
      const place = { ...(at > 0 && { chunkOffset: at }), ...(size === CHUNK_SIZE && { chunkSize: size }) };
      know(slot, { ...place, chunkDigest: hasher.digest() });
    }
    know(this.#file, { digest: this.#whole.digest() });
  }
}

function know(slot: Slot, facts: Partial<TocEntry>): void {
  slot.entry = { ...slot.entry, ...facts };
  slot.missing -= 1;
}
