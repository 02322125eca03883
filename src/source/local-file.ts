import { closeSync, constants, fstatSync, readSync } from "node:fs";
import { errnoOf, VarveError } from "../core/index.ts";
import { Root, type Path } from "../linux/index.ts";

/**
 * Reads a file of a context directory, such as a Dockerfile or an ignore file, even if the ignore file excludes it. Symbolic
 * links are followed inside the directory. Returns undefined if the file does not exist.
 *
 * @throws {VarveError} `limit-exceeded` for a file of more than `limit` bytes, `invalid-build` for anything but a regular file.
 * @example
 * const text = readContextFile(".", "Dockerfile", Limits.dockerfile)?.toString();
 */
export function readContextFile(directory: Path, path: string, limit: number): Buffer | undefined {
  using root = Root.open(directory);
  const fd = openFile(root, path);
  if (fd === undefined) return undefined;
  try {
    if (!fstatSync(fd).isFile()) throw new VarveError("invalid-build", `Cannot read ${path}: it is not a regular file`);
    return readAll(fd, path, limit);
  } finally {
    closeSync(fd);
  }
}

function openFile(root: Root, path: string): number | undefined {
  try {
    return root.openFile(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT" || errno === "ENOTDIR") return undefined;
    const state = errno === "EACCES" ? "permission denied" : errno === "ELOOP" ? "too many links" : String(error);
    throw new VarveError("invalid-build", `Cannot read ${path}: ${state}`, { cause: error });
  }
}

function readAll(fd: number, path: string, limit: number): Buffer {
  const chunks: Buffer[] = [];
  for (let size = 0; ;) {
    const chunk = Buffer.allocUnsafe(65_536);
    const count = readSync(fd, chunk);
    if (count === 0) return Buffer.concat(chunks);
    size += count;
    if (size > limit)
      throw new VarveError("limit-exceeded", `Cannot read ${path}: it is larger than ${limit} bytes`, {
        details: { limit },
      });
    chunks.push(chunk.subarray(0, count));
  }
}
