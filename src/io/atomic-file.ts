import { randomBytes } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Bytes } from "./bytes.ts";

/** Makes a directory's entries durable. */
export async function syncDirectory(path: string): Promise<void> {
  await using handle = await open(path, "r");
  await handle.sync();
}

/**
 * Writes a file so that a reader, or a crash, sees the old content or the new, never a part: temporary file in the same
 * directory, fsync, rename, fsync of the directory.
 */
export async function writeFileAtomic(
  path: string,
  data: Uint8Array | string | Bytes,
  { mode = 0o644 }: { mode?: number } = {},
): Promise<void> {
  const directory = dirname(path);
  const temporary = join(directory, `.${basename(path)}.${randomBytes(6).toString("hex")}.tmp`);
  try {
    await using handle = await open(temporary, "wx", mode);
    await handle.writeFile(data);
    await handle.sync();
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
  await syncDirectory(directory);
}
