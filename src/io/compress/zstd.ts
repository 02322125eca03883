import { promisify } from "node:util";
import { constants, zstdCompress, type ZstdOptions } from "node:zlib";
import type { Bytes } from "../bytes.ts";
import { inBlocks } from "./parallel.ts";

const encode = promisify<Uint8Array, ZstdOptions, Buffer>(zstdCompress);

/** Part of what makes digests repeat. Larger where the level asks for a reach that a small one would cut off. */
const BLOCK = { fast: 8_388_608, thorough: 33_554_432 };
const THOROUGH = 10;
const CHUNK = 1_048_576;

/**
 * zstd on several threads: frames in a row, each for a block of its own, with its size and checksum. (The library's own
 * workers are of no use here: Node takes a call that leaves input for later as the end of the stream.)
 */
export function zstd(source: Bytes, level: number): Bytes {
  const block = level < THOROUGH ? BLOCK.fast : BLOCK.thorough;
  const params = { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 };
  return inBlocks(source, block, ({ data }) => encode(data, { chunkSize: CHUNK, pledgedSrcSize: data.length, params }));
}
