import { Errno, systemError } from "./errno.ts";
import { libcCall } from "./libc.ts";

const fallocate = libcCall("fallocate", ["int", "int", "int64_t", "int64_t"]);
const UNSUPPORTED = new Set([Errno.EOPNOTSUPP, Errno.ENOSYS, Errno.EINVAL]);

/**
 * Gives the first `length` bytes of a file blocks of their own, without writing them; false where the filesystem cannot. Throws
 * ENOSPC on a full disk, and may have allocated a part then.
 */
export function allocate(fd: number, length: number): boolean {
  const done = fallocate.attempt(fd, 0, 0, length);
  if (done >= 0) return true;
  if (UNSUPPORTED.has(-done)) return false;
  throw systemError(-done, "fallocate");
}
