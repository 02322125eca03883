import { availableParallelism } from "node:os";
import type { Bytes } from "../bytes.ts";
import { type Block, blocks } from "../blocks.ts";

/** Node's default number of pool threads, which does not depend on the number of processors. */
const POOL = 4;
/** Maximum bytes of input in memory. */
const HELD = 100_663_296;

/** Number of blocks in progress: enough to keep the threads busy while results are written. */
export function width(size: number): number {
  const pool = Number(process.env["UV_THREADPOOL_SIZE"] ?? POOL);
  const threads = Math.min(availableParallelism(), pool > 0 ? pool : POOL);
  return Math.max(2, Math.min(2 * threads + 1, Math.floor(HELD / size)));
}

/**
 * Processes up to `most` items concurrently and yields the results in order. Calls `work` in order, and pulls no item before it is needed.
 */
export async function* inOrder<T, R>(
  source: AsyncIterable<T>,
  most: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const running: Promise<R>[] = [];
  try {
    for await (const item of source) {
      const job = work(item);
      job.catch(() => undefined);
      running.push(job);
      const oldest = running.length >= most ? running.shift() : undefined;
      if (oldest !== undefined) yield await oldest;
    }
    for (let job = running.shift(); job !== undefined; job = running.shift()) yield await job;
  } finally {
    await Promise.allSettled(running);
  }
}

/**
 * Cuts a stream into blocks of exactly `size` bytes, processes several concurrently, and yields the results in order. The result depends
 * on the stream and on `size`, but not on the number of processors or on the chunks. The array of a block is reused after its work has
 * settled.
 */
export function inBlocks(
  source: Bytes,
  size: number,
  work: (block: Block) => Promise<Buffer>,
): AsyncGenerator<Uint8Array> {
  const spare: Buffer[] = [];
  const run = async (block: Block): Promise<Buffer> => {
    const result = await work(block);
    if (!block.last) spare.push(block.data);
    return result;
  };
  return inOrder(
    blocks(source, size, () => spare.pop() ?? Buffer.allocUnsafeSlow(size)),
    width(size),
    run,
  );
}
