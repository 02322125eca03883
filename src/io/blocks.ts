import type { Bytes } from "./bytes.ts";
import { freeing } from "./free.ts";

export interface Block {
  readonly data: Buffer;
  readonly last: boolean;
}

/**
 * Cuts a stream into blocks of exactly `size` bytes; the last one may be shorter, and empty only if the stream is.
 * `allocate` gives an array of `size` bytes, whatever is in it.
 */
export async function* blocks(source: Bytes, size: number, allocate: () => Buffer): AsyncGenerator<Block> {
  let block = allocate();
  let used = 0;
  for await (const chunk of freeing(source)) {
    for (let from = 0; from < chunk.byteLength;) {
      if (used === size) {
        yield { data: block, last: false };
        block = allocate();
        used = 0;
      }
      const taken = Math.min(size - used, chunk.byteLength - from);
      block.set(chunk.subarray(from, from + taken), used);
      used += taken;
      from += taken;
    }
  }
  yield { data: block.subarray(0, used), last: true };
}
