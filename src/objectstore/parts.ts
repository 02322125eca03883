import { type Bytes, type Semaphore, bytesOf } from "../io/index.ts";
import type { ObjectBody } from "./object-store.ts";

/** How the parts of an object are sent. */
export interface PartSending<T> {
  /** Bytes of each part but the last. */
  readonly size: number;
  /** Bounds the memory of all uploads: each part in flight is held. */
  readonly slots: Semaphore;
  readonly signal: AbortSignal | undefined;
  /** Sends the part with the number `at`, counted from 0. */
  readonly send: (bytes: Buffer, at: number, signal: AbortSignal) => Promise<T>;
}

/**
 * Sends an object in parts, several at a time. An empty object has one empty part. The first failure stops the others; it is thrown when
 * all have ended. Returns what `send` has returned, in order.
 */
export async function sendParts<T>(body: ObjectBody, { size, slots, signal, send }: PartSending<T>): Promise<T[]> {
  const parts: Promise<T>[] = [];
  const stop = new AbortController();
  const both = AbortSignal.any([stop.signal, ...(signal === undefined ? [] : [signal])]);
  const sendOne = async (bytes: Buffer, at: number, slot: Disposable): Promise<T> => {
    using _slot = slot;
    return await send(bytes, at, both);
  };
  try {
    for await (const { bytes, slot } of partsOf(body.open(), size, () => slots.acquire(both))) {
      const part = sendOne(bytes, parts.length, slot);
      part.catch((error: unknown) => stop.abort(error));
      parts.push(part);
    }
  } finally {
    await Promise.allSettled(parts);
  }
  return await Promise.all(parts);
}

/** Cuts bytes into parts. A slot is taken for each part before it is gathered. */
async function* partsOf(
  bytes: Bytes,
  size: number,
  acquire: () => Promise<Disposable>,
): AsyncGenerator<{ readonly bytes: Buffer; readonly slot: Disposable }> {
  const chunks = bytes[Symbol.asyncIterator]();
  let rest: Uint8Array | undefined;
  try {
    for (let isFirst = true; ; isFirst = false) {
      const slot = await acquire();
      const part = Buffer.allocUnsafe(size);
      let filled = 0;
      try {
        while (filled < size) {
          const next: Uint8Array | undefined = rest ?? (await nextOf(chunks));
          if (next === undefined) break;
          const taken = next.subarray(0, size - filled);
          part.set(taken, filled);
          filled += taken.byteLength;
          rest = taken.byteLength < next.byteLength ? next.subarray(taken.byteLength) : undefined;
        }
      } catch (error) {
        slot[Symbol.dispose]();
        throw error;
      }
      if (filled === 0 && !isFirst) return slot[Symbol.dispose]();
      yield { bytes: part.subarray(0, filled), slot };
      if (filled < size) return;
    }
  } finally {
    await chunks.return?.();
  }
}

async function nextOf(chunks: AsyncIterator<Uint8Array>): Promise<Uint8Array | undefined> {
  const next = await chunks.next();
  return next.done === true ? undefined : next.value;
}

/** Returns bytes as the body of an object. */
export function objectBody(bytes: Uint8Array): ObjectBody {
  return { size: bytes.byteLength, open: () => bytesOf(bytes) };
}
