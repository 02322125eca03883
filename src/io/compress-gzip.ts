import { promisify } from "node:util";
import { constants, crc32, deflateRaw, type ZlibOptions } from "node:zlib";
import type { Bytes } from "./bytes.ts";
import { inBlocks } from "./compress-parallel.ts";

const deflate = promisify<Uint8Array, ZlibOptions, Buffer>(deflateRaw);

/** Part of what makes digests repeat: another size gives other bytes. */
const BLOCK = 262_144;
/** The reach of a deflate back-reference. */
const WINDOW = 32_768;
/** RFC 1952: no name, no time, no extra flags, unknown system. As Go writes it. */
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);

/**
 * gzip on several threads: one member whose blocks are compressed side by side, each with the end of the block before it as
 * its dictionary, and joined at byte boundaries (as pigz does).
 */
export async function* gzip(source: Bytes, level: number): AsyncGenerator<Uint8Array> {
  let [checksum, size] = [0, 0];
  let dictionary: Buffer | undefined;
  yield HEADER;
  yield* inBlocks(source, BLOCK, ({ data, last }) => {
    checksum = crc32(data, checksum);
    size += data.length;
    const before = dictionary;
    // A copy: the block's array is used again as soon as its own work is done.
    dictionary = last ? undefined : Buffer.from(data.subarray(data.length - WINDOW));
    const finishFlush = last ? constants.Z_FINISH : constants.Z_SYNC_FLUSH;
    return deflate(data, {
      level,
      chunkSize: BLOCK,
      finishFlush,
      ...(before === undefined ? {} : { dictionary: before }),
    });
  });
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(checksum, 0);
  trailer.writeUInt32LE(size % 0x1_0000_0000, 4);
  yield trailer;
}
