import { promisify } from "node:util";
import { constants, crc32, deflateRaw, deflateRawSync, type ZlibOptions } from "node:zlib";
import type { Block } from "../blocks.ts";
import type { Bytes } from "../bytes.ts";
import { inBlocks } from "./parallel.ts";

const deflate = promisify<Uint8Array, ZlibOptions, Buffer>(deflateRaw);

/** The size of a block, on which digests depend. */
export const GZIP_BLOCK = 262_144;
/** The window of deflate. */
const WINDOW = 32_768;
/** Blocks up to this size are compressed on the main thread. */
const SMALL = 8192;
/** RFC 1952: no name, no time, no extra flags, unknown system. As Go writes it. */
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);

/**
 * One gzip member whose blocks are compressed in parallel, each with the end of the previous block as its dictionary, and joined at byte
 * boundaries (as pigz does). Blocks are passed in order, without waiting for the previous one.
 */
export class GzipMember {
  readonly #level: number;
  #checksum = 0;
  #size = 0;
  #dictionary: Buffer | undefined;

  constructor(level: number) {
    this.#level = level;
  }

  /** Returns the block's part of the member; the first part has the header, the last the trailer. */
  async add({ data, last }: Block): Promise<Buffer> {
    const parts = this.#size === 0 ? [HEADER] : [];
    this.#checksum = crc32(data, this.#checksum);
    this.#size += data.length;
    const trailer = last ? [this.#trailer()] : [];
    const deflated = await this.#deflate(data, last);
    return parts.length + trailer.length === 0 ? deflated : Buffer.concat([...parts, deflated, ...trailer]);
  }

  #deflate(data: Buffer, last: boolean): Buffer | Promise<Buffer> {
    const dictionary = this.#dictionary;
    // A copy, because the array of the block is reused after its own work.
    this.#dictionary = last ? undefined : Buffer.from(data.subarray(-WINDOW));
    const finishFlush = last ? constants.Z_FINISH : constants.Z_SYNC_FLUSH;
    const small = data.length <= SMALL;
    const options: ZlibOptions = { level: this.#level, chunkSize: small ? 2 * SMALL : GZIP_BLOCK, finishFlush };
    if (dictionary !== undefined) options.dictionary = dictionary;
    return small ? deflateRawSync(data, options) : deflate(data, options);
  }

  #trailer(): Buffer {
    const trailer = Buffer.alloc(8);
    trailer.writeUInt32LE(this.#checksum, 0);
    trailer.writeUInt32LE(this.#size % 0x1_0000_0000, 4);
    return trailer;
  }
}

/** gzip on several threads: one member. */
export function gzip(source: Bytes, level: number): Bytes {
  const member = new GzipMember(level);
  return inBlocks(source, GZIP_BLOCK, (block) => member.add(block));
}
