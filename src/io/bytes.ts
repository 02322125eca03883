import { DigestHasher, type Digest, VarveError, digestAlgorithm } from "../core/index.ts";

/** A stream of bytes. Pulled, never pushed: a slow reader slows its source. Node streams live only in adapters. */
export type Bytes = AsyncIterable<Uint8Array>;

export interface Expected {
  readonly digest?: Digest | undefined;
  /** Bytes. */
  readonly size?: number | undefined;
}

/** Names a stream in messages. */
export interface Named {
  readonly what: string;
}

/**
 * Verifies bytes from outside: hashes and counts them while they pass. Never yields more than `size` bytes.
 *
 * @throws {VarveError} `corrupt`, before the end of the stream, if digest or size differ from the expected ones.
 */
export async function* verified(source: Bytes, expected: Expected, { what }: Named): AsyncGenerator<Uint8Array> {
  const hasher = expected.digest === undefined ? undefined : new DigestHasher(digestAlgorithm(expected.digest));
  let size = 0;
  for await (const chunk of source) {
    size += chunk.byteLength;
    if (expected.size !== undefined && size > expected.size) {
      throw new VarveError("corrupt", `Cannot read ${what}: it is longer than ${expected.size} bytes`, {
        details: { ...expected },
      });
    }
    hasher?.update(chunk);
    yield chunk;
  }
  if (expected.size !== undefined && size !== expected.size) {
    throw new VarveError("corrupt", `Cannot read ${what}: ${size} of ${expected.size} bytes arrived`, {
      details: { ...expected },
    });
  }
  const actual = hasher?.digest();
  if (actual !== undefined && actual !== expected.digest) {
    throw new VarveError("corrupt", `Cannot read ${what}: its digest is ${actual}, not ${expected.digest}`, {
      details: { ...expected, actual },
    });
  }
}

/**
 * Passes on at most `limit` bytes.
 *
 * @throws {VarveError} `limit-exceeded` if the stream has more.
 */
export async function* limited(source: Bytes, limit: number, { what }: Named): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const chunk of source) {
    size += chunk.byteLength;
    if (size > limit)
      throw new VarveError("limit-exceeded", `Cannot read ${what}: it is larger than ${limit} bytes`, {
        details: { limit },
      });
    yield chunk;
  }
}

/** Calls `onChunk` with each chunk's length as it passes. */
export async function* counted(source: Bytes, onChunk: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    onChunk(chunk.byteLength);
    yield chunk;
  }
}

/**
 * Reads a whole stream into one array.
 *
 * @throws {VarveError} `limit-exceeded` for more than `limit` bytes.
 */
export async function collect(source: Bytes, limit: number, named: Named): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of limited(source, limit, named)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** A stream of the given pieces. */
// oxlint-disable-next-line require-await -- an async generator is the shape of `Bytes`
export async function* bytesOf(...pieces: readonly (Uint8Array | string)[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) yield typeof piece === "string" ? Buffer.from(piece) : piece;
}

/** Reads a stream to its end and digests it. */
export async function digestBytes(source: Bytes): Promise<{ digest: Digest; size: number }> {
  const hasher = new DigestHasher();
  for await (const chunk of source) hasher.update(chunk);
  return { size: hasher.size, digest: hasher.digest() };
}
