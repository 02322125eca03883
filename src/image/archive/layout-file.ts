import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { VarveError, errnoOf } from "../../core/index.ts";
import { type Bytes, collect } from "../../io/index.ts";

const CHUNK = 262_144;

/** Opens a regular file. Symbolic links could lead out of the layout, and pipes could block, so both are rejected. */
async function openFile(directory: string, name: string): Promise<FileHandle | undefined> {
  const path = join(directory, name);
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const code = errnoOf(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    if (code === "ELOOP") throw new VarveError("corrupt", `Cannot read ${path}: it is a symbolic link`);
    throw error;
  }
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw new VarveError("corrupt", `Cannot read ${path}: it is not a regular file`);
}

async function* chunks(file: FileHandle): AsyncGenerator<Uint8Array> {
  for (;;) {
    const buffer = Buffer.allocUnsafe(CHUNK);
    const { bytesRead } = await file.read(buffer, 0, CHUNK);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
  }
}

/** Calls `use` with the bytes of a file in a layout. Returns undefined if the file does not exist. `name` is relative and trusted. */
export async function useLayoutFile<T>(
  directory: string,
  name: string,
  use: (bytes: Bytes) => Promise<T>,
): Promise<T | undefined> {
  await using file = await openFile(directory, name);
  return file === undefined ? undefined : await use(chunks(file));
}

/** Reads a small file in a layout. Returns undefined if it does not exist. Throws `limit-exceeded` for more than `limit` bytes. */
export async function readLayoutFile(directory: string, name: string, limit: number): Promise<Buffer | undefined> {
  return await useLayoutFile(directory, name, (bytes) => collect(bytes, limit, { what: join(directory, name) }));
}
