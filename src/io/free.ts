import type { Bytes } from "./bytes.ts";

/** The chunks that are the whole of their arrays, and that only their reader uses. */
const owned = new WeakSet<Uint8Array>();

/**
 * Marks a chunk whose memory its reader may free, and returns it. Its array must have nothing else in it, and the caller must not use it
 * again.
 */
export function freeable(chunk: Uint8Array): Uint8Array {
  owned.add(chunk);
  return chunk;
}

/**
 * Frees the memory of a chunk that is `freeable`; it is empty afterwards. Other chunks stay as they are. Arrays are outside the heap and
 * would live until a collection; a stream of hundreds of MiB would cause one collection of the whole heap after another.
 */
export function free(chunk: Uint8Array): void {
  if (owned.delete(chunk) && chunk.buffer instanceof ArrayBuffer) chunk.buffer.transfer(0);
}

/** Frees each chunk when the next one is asked for: for readers that have finished with a chunk by then. */
export async function* freeing(bytes: Bytes): AsyncGenerator<Uint8Array> {
  for await (const chunk of bytes) {
    yield chunk;
    free(chunk);
  }
}
