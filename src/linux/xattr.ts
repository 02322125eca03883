import { Errno, systemError } from "./errno.ts";
import { libcCall } from "./libc.ts";
import { cstring, type Path } from "./path.ts";

const get = libcCall("lgetxattr", ["void *", "void *", "void *", "size_t"], "long");
const set = libcCall("lsetxattr", ["void *", "void *", "void *", "size_t", "int"]);
const list = libcCall("llistxattr", ["void *", "void *", "size_t"], "long");
const remove = libcCall("lremovexattr", ["void *", "void *"]);

/** Most values are short: one call is enough for them. The kernel allocates as much for each call, so it should not be large. */
const scratch = Buffer.allocUnsafeSlow(1024);
const RETRIES = 8;

/** Calls `fill` with a buffer that is large enough, also when the value grows meanwhile. Returns a negative errno on failure. */
function read(fill: (buffer: Buffer | null, size: number) => number): Buffer | number {
  let buffer = scratch;
  for (let attempt = 0; attempt < RETRIES; attempt += 1) {
    const got = fill(buffer, buffer.length);
    if (got >= 0) return Buffer.from(buffer.subarray(0, got));
    if (got !== -Errno.ERANGE) return got;
    const wanted = fill(null, 0);
    if (wanted < 0) return wanted;
    buffer = Buffer.allocUnsafe(wanted + 1024);
  }
  return -Errno.ERANGE;
}

/** The value of an extended attribute of the file itself (a symbolic link is not followed), or undefined if it has none of that name. */
export function lgetxattr(path: Path, name: Path): Buffer | undefined {
  const [file, attribute] = [cstring(path), cstring(name)];
  const value = read((buffer, size) => get.attempt(file, attribute, buffer, size));
  if (typeof value !== "number") return value;
  if (value === -Errno.ENODATA || value === -Errno.ENOTSUP) return undefined;
  throw systemError(-value, "lgetxattr", path);
}

/**
 * The names of a file's extended attributes, in the kernel's order; none where the filesystem has no attributes. Names that
 * are not UTF-8 appear as byte strings do not lose: pass them on as they are.
 */
export function llistxattr(path: Path): string[] {
  const file = cstring(path);
  const names = read((buffer, size) => list.attempt(file, buffer, size));
  if (typeof names !== "number")
    return names.length === 0 ? [] : names.toString("utf8", 0, names.length - 1).split("\0");
  if (names === -Errno.ENOTSUP) return [];
  // Linux cannot list more than 64 KiB of names.
  throw systemError(-names, "llistxattr", path);
}

/** Sets an attribute of the file itself, whether or not it exists. */
export function lsetxattr(path: Path, name: Path, value: Buffer): void {
  set({ path }, cstring(path), cstring(name), value, value.length, 0);
}

/** Removes an attribute; false if there was none. */
export function lremovexattr(path: Path, name: Path): boolean {
  const removed = remove.attempt(cstring(path), cstring(name));
  if (removed === -Errno.ENODATA) return false;
  if (removed < 0) throw systemError(-removed, "lremovexattr", path);
  return true;
}
