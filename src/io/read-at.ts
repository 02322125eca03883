import { readSync } from "node:fs";

/** Reads up to `length` bytes of an open file from `offset`, in this thread. Fewer only if the file ends before. */
export function readAt(fd: number, offset: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(length);
  let size = 0;
  for (let count = -1; count !== 0 && size < length; size += count)
    count = readSync(fd, bytes, size, length - size, offset + size);
  return bytes.subarray(0, size);
}
