import { availableParallelism } from "node:os";
import type { Bytes } from "../bytes.ts";
import { type Block, blocks } from "../blocks.ts";

/** Node's default for the threads that compress, whatever the number of processors. */
const POOL = 4;
/** Bytes of input that may be held at once. */
const HELD = 100_663_296;

/** How many blocks are under way at once: enough that the threads have work while their results are written elsewhere. */
export function width(size: number): number {
  const pool = Number(process.env["UV_THREADPOOL_SIZE"] ?? POOL);
  const threads = Math.min(availableParallelism(), pool > 0 ? pool : POOL);
  return Math.max(2, Math.min(2 * threads + 1, Math.floor(HELD / size)));
}

/**
 * Works on several items at once and gives the results in order. `work` is called in order too, and no more items are asked
 * for than are being worked on.
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
      if (running.length >= most) yield await (running.shift() as Promise<R>);
    }
    for (let job = running.shift(); job !== undefined; job = running.shift()) yield await job;
  } finally {
    await Promise.allSettled(running);
  }
}

/**
 * Cuts a stream into blocks of exactly `size` bytes, works on several at once, and gives the results in order. What comes out
 * depends on the stream and on `size`, and neither on the number of processors nor on the chunks. A block's array is used
 * again once its work has settled.
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
