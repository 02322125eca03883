import { availableParallelism } from "node:os";
import type { Bytes } from "./bytes.ts";
import { type Block, blocks } from "./blocks.ts";

/**
 * Cuts a stream into blocks of exactly `size` bytes, works on as many at once as there are processors, and gives the results
 * in order. What comes out depends on the stream and on `size`, and neither on the number of processors nor on the chunks.
 */
export async function* inBlocks(
  source: Bytes,
  size: number,
  work: (block: Block) => Promise<Buffer>,
): AsyncGenerator<Uint8Array> {
  const running: Promise<Buffer>[] = [];
  // One more than are worked on, so that the next is ready when one of them is done.
  const width = availableParallelism() + 1;
  try {
    for await (const block of blocks(source, size)) {
      const job = work(block);
      job.catch(() => undefined);
      running.push(job);
      if (running.length >= width) yield await (running.shift() as Promise<Buffer>);
    }
    for (let job = running.shift(); job !== undefined; job = running.shift()) yield await job;
  } finally {
    await Promise.allSettled(running);
  }
}
