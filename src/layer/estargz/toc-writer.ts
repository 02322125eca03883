import { DigestHasher, type Digest, digestOf } from "../../core/index.ts";
import type { TarHeader } from "../types.ts";
import { Spool } from "./spool.ts";
import { CHUNK_SIZE, encodeTocEntry, type TocEntry, tocEntryOf } from "./toc.ts";

/** An entry that is not complete yet. */
interface PendingEntry {
  entry: TocEntry;
  /** Number of updates until the entry is complete. */
  missing: number;
}

/**
 * Assembles a table of contents while an archive is compressed. Digests are known when the archive is read; offsets are known
 * later, when the compressed members are written. Entries are written in the archive's order, as soon as they are complete.
 */
export class TocWriter implements AsyncDisposable {
  readonly #spool = new Spool();
  /** Entries that are not written yet, in order. */
  readonly #pending: PendingEntry[] = [];
  /** Chunks whose offsets are not known yet, in order. */
  readonly #withoutOffset: PendingEntry[] = [];
  #separator = '{"version":1,"entries":[\n';

  /** Adds the next entry of the archive. If it has content, the caller must pass the content to the result. */
  begin(header: TarHeader): FileContent | undefined {
    const entry = tocEntryOf(header);
    const slot = {
      entry: header.type === "file" && header.size === 0 ? { ...entry, digest: digestOf("") } : entry,
      missing: 0,
    };
    this.#pending.push(slot);
    return header.size === 0 ? undefined : new FileContent(slot, header.size, (chunk) => this.#addChunk(chunk, slot));
  }

  /** Sets the offset of the next chunk without one: its gzip member begins at `offset` of the blob. */
  memberAt(offset: number): void {
    const slot = this.#withoutOffset.shift();
    if (slot !== undefined) update(slot, { offset });
  }

  /** Writes the entries that are complete. */
  async flush(): Promise<void> {
    for (let slot = this.#pending[0]; slot?.missing === 0; slot = this.#pending[0]) {
      this.#pending.shift();
      await this.#spool.write(this.#separator + encodeTocEntry(slot.entry));
      this.#separator = ",\n";
    }
  }

  /** Ends the table. Returns its JSON text, with size and digest. */
  async end(): Promise<{ readonly size: number; readonly digest: Digest; readonly bytes: AsyncIterable<Uint8Array> }> {
    await this.flush();
    await this.#spool.write(this.#separator.startsWith("{") ? `${this.#separator}]}` : "\n]}");
    const digest = this.#spool.digest();
    return { size: this.#spool.size, digest, bytes: this.#spool.read() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#spool[Symbol.asyncDispose]();
  }

  #addChunk(chunk: PendingEntry, file: PendingEntry): void {
    this.#withoutOffset.push(chunk);
    if (chunk !== file) this.#pending.push(chunk);
  }
}

/** The content of a file, divided into chunks of `CHUNK_SIZE` bytes. */
class FileContent {
  readonly #file: PendingEntry;
  readonly #size: number;
  readonly #onChunk: (chunk: PendingEntry) => void;
  readonly #whole = new DigestHasher();

  constructor(file: PendingEntry, size: number, onChunk: (chunk: PendingEntry) => void) {
    this.#file = file;
    this.#size = size;
    this.#onChunk = onChunk;
    file.missing += 1;
  }

  /** Returns the chunks, in order. Pass the bytes of each chunk to its `update` before requesting the next one. */
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
      const chunkOffset = at > 0 ? at : undefined;
      const chunkSize = size === CHUNK_SIZE ? size : undefined;
      update(slot, { chunkOffset, chunkSize, chunkDigest: hasher.digest() });
    }
    update(this.#file, { digest: this.#whole.digest() });
  }
}

function update(slot: PendingEntry, fields: Partial<TocEntry>): void {
  slot.entry = { ...slot.entry, ...fields };
  slot.missing -= 1;
}
