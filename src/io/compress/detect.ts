import type { Bytes } from "../bytes.ts";

/** Formats that can be read. "uncompressed" is everything else. */
export type CompressionFormat = "uncompressed" | "gzip" | "zstd" | "bzip2" | "xz";

/** Bytes at the start of a stream that `detectCompression` looks at. */
export const MAGIC_LENGTH = 10;

/** Magic number with method 8 (deflate), the only one. */
const GZIP = Buffer.from([0x1f, 0x8b, 8]);
const BZIP2_BLOCK = Buffer.from([0x31, 0x41, 0x59, 0x26, 0x53, 0x59]);
const BZIP2_END = Buffer.from([0x17, 0x72, 0x45, 0x38, 0x50, 0x90]);
const XZ = Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]);
const ZSTD = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);
const ZSTD_SKIPPABLE = Buffer.from([0x2a, 0x4d, 0x18]);

function has(head: Uint8Array, magic: Uint8Array, at = 0): boolean {
  return Buffer.compare(head.subarray(at, at + magic.length), magic) === 0;
}

function isBzip2(head: Uint8Array): boolean {
  const level = head[3] ?? 0;
  return (
    has(head, Buffer.from("BZh")) &&
    level >= 0x31 &&
    level <= 0x39 &&
    (has(head, BZIP2_BLOCK, 4) || has(head, BZIP2_END, 4))
  );
}

/** The format by magic number: RFC 1952, RFC 8878 (skippable frames too), bzip2 and xz as their file formats say. */
export function detectCompression(head: Uint8Array): CompressionFormat {
  if (has(head, GZIP)) return "gzip";
  if (has(head, ZSTD)) return "zstd";
  if (((head[0] ?? 0) & 0xf0) === 0x50 && has(head, ZSTD_SKIPPABLE, 1)) return "zstd";
  if (has(head, XZ)) return "xz";
  return isBzip2(head) ? "bzip2" : "uncompressed";
}

/**
 * Reads at least `length` bytes ahead (fewer only at the end) and returns them with the complete stream. A reader that stops early releases
 * the source.
 */
export async function peek(source: Bytes, length: number): Promise<{ head: Buffer; bytes: Bytes }> {
  const iterator = source[Symbol.asyncIterator]();
  const chunks: Uint8Array[] = [];
  let size = 0;
  while (size < length) {
    const next = await iterator.next();
    if (next.done === true) break;
    chunks.push(next.value);
    size += next.value.byteLength;
  }
  const head = Buffer.concat(chunks);
  async function* whole(): AsyncGenerator<Uint8Array> {
    try {
      if (head.length > 0) yield head;
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value;
    } finally {
      await iterator.return?.();
    }
  }
  return { head: head.subarray(0, length), bytes: whole() };
}
