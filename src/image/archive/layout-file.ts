import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { VarveError, errnoOf } from "../../core/index.ts";
import { type Bytes, collect } from "../../io/index.ts";

const CHUNK = 262_144;

/** Opens a regular file and nothing else: no link out of the layout, no pipe that would never end. */
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

/** Gives the bytes of a file of a layout to `use`; undefined if there is no such file. `name` is relative and trusted. */
export async function useLayoutFile<T>(
  directory: string,
  name: string,
  use: (bytes: Bytes) => Promise<T>,
): Promise<T | undefined> {
  await using file = await openFile(directory, name);
  return file === undefined ? undefined : await use(chunks(file));
}

/** A small file of a layout, or undefined if it is not there; `limit-exceeded` past `limit` bytes. */
export async function readLayoutFile(directory: string, name: string, limit: number): Promise<Buffer | undefined> {
  return await useLayoutFile(directory, name, (bytes) => collect(bytes, limit, { what: join(directory, name) }));
}
