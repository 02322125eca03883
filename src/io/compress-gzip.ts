import { availableParallelism } from "node:os";
import { promisify } from "node:util";
import { constants, crc32, deflateRaw, type ZlibOptions } from "node:zlib";
import { blocks } from "./blocks.ts";
import type { Bytes } from "./bytes.ts";

const deflate = promisify<Uint8Array, ZlibOptions, Buffer>(deflateRaw);

/** Pieces that are compressed on their own; the result depends on it, so it is part of what makes digests repeat. */
const BLOCK = 262_144;
/** The reach of a deflate back-reference. */
const WINDOW = 32_768;
/** RFC 1952: no name, no time, no extra flags, unknown system. As Go writes it. */
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);

/**
 * gzip on several threads: one member whose blocks are compressed side by side, each with the end of the block before it as
 * its dictionary, and joined at byte boundaries (as pigz does). The same input and level give the same bytes, whatever the
 * number of processors and however the input is cut up.
 */
export async function* gzip(source: Bytes, level: number): AsyncGenerator<Uint8Array> {
  const running: Promise<Buffer>[] = [];
  const width = availableParallelism() + 1;
  let checksum = 0;
  let size = 0;
  let dictionary: Buffer | undefined;
  yield HEADER;
  try {
    for await (const { data, last } of blocks(source, BLOCK)) {
      checksum = crc32(data, checksum);
      size += data.length;
      const job = deflate(data, options(level, dictionary, last));
      job.catch(() => undefined);
      dictionary = data.subarray(data.length - WINDOW);
      running.push(job);
      if (running.length >= width) yield await (running.shift() as Promise<Buffer>);
    }
    for (let job = running.shift(); job !== undefined; job = running.shift()) yield await job;
  } finally {
    await Promise.allSettled(running);
  }
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(checksum, 0);
  trailer.writeUInt32LE(size % 0x1_0000_0000, 4);
  yield trailer;
}

function options(level: number, dictionary: Uint8Array | undefined, last: boolean): ZlibOptions {
  return {
    level,
    chunkSize: BLOCK,
    finishFlush: last ? constants.Z_FINISH : constants.Z_SYNC_FLUSH,
    ...(dictionary === undefined ? {} : { dictionary }),
  };
}
