import type { ByteString } from "../../linux/index.ts";
import { type Stat, encodeStat } from "../wire/stat.ts";

/** The name of the file in the root of a tree that lists all entries of the sender. */
export const METADATA_FILE: ByteString = ".fsutil-metadata";

/** Entries are collected in pieces of this size. Bytes. */
const PIECE = 1_048_576;

/**
 * The content of `.fsutil-metadata`: for each entry, the length of its `Stat` message (4 bytes, little-endian) and the message as
 * it was received.
 */
export class MetadataFile {
  readonly pieces: Buffer[] = [];
  #piece = Buffer.alloc(0);
  #at = 0;

  add(stat: Stat, encoded: Uint8Array = encodeStat(stat)): void {
    const size = 4 + encoded.length;
    if (this.#at + size > this.#piece.length) this.#next(size);
    this.#piece.writeUInt32LE(encoded.length, this.#at);
    this.#piece.set(encoded, this.#at + 4);
    this.#at += size;
    this.pieces[this.pieces.length - 1] = this.#piece.subarray(0, this.#at);
  }

  #next(size: number): void {
    this.#piece = Buffer.allocUnsafe(Math.max(PIECE, size));
    this.#at = 0;
    this.pieces.push(this.#piece.subarray(0, 0));
  }
}
