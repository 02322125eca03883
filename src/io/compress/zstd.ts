import { promisify } from "node:util";
import { constants, zstdCompress, type ZstdOptions } from "node:zlib";
import type { Bytes } from "../bytes.ts";
import { inBlocks } from "./parallel.ts";

const encode = promisify<Uint8Array, ZstdOptions, Buffer>(zstdCompress);

/** The size of a block, on which digests depend. It is larger where the level's window needs it. */
const BLOCK = { fast: 8_388_608, thorough: 33_554_432 };
const THOROUGH = 10;
const CHUNK = 1_048_576;

/**
 * Compresses with zstd on several threads: one frame per block, with its size and checksum. (The library's own worker threads cannot be
 * used: Node treats a call that leaves input unread as the end of the stream.)
 */
export function zstd(source: Bytes, level: number): Bytes {
  const block = level < THOROUGH ? BLOCK.fast : BLOCK.thorough;
  const params = { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 };
  return inBlocks(source, block, ({ data }) => encode(data, { chunkSize: CHUNK, pledgedSrcSize: data.length, params }));
}
