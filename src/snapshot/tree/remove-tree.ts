import { chmodSync, closeSync, constants, lstatSync, openSync, rmdirSync, unlinkSync } from "node:fs";
import { errnoOf } from "../../core/index.ts";
import { type ByteString, byteStringOf, type Path } from "../../linux/index.ts";
import { Pace, entryPath, listNames } from "./walk.ts";

/**
 * Removes an entry with everything below it, whatever bytes its names are made of. Nothing there is success. Links are
 * removed, never followed; the caller sees to it that nobody else changes the tree meanwhile.
 */
export async function removeTree(
  path: Path,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<void> {
  await remove(path, new Pace(signal));
}

async function remove(path: Path, pace: Pace): Promise<void> {
  const pause = pace.step();
  if (pause !== undefined) await pause;
  if (unlinkIfFile(path)) return;
  try {
    await removeEntries(path, pace);
    rmdirSync(path);
  } catch (error) {
    // Another process removes the same tree.
    if (errnoOf(error) !== "ENOENT") throw error;
  }
}

/** The kernel takes no path of more than 4095 bytes; a step can make trees that are deeper. */
const LONG = 3500;

async function removeEntries(directory: Path, pace: Pace): Promise<void> {
  const names = namesIn(directory);
  if (byteStringOf(directory).length < LONG) return await removeAll(directory, names, pace);
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    await removeAll(`/proc/self/fd/${fd}`, names, pace);
  } finally {
    closeSync(fd);
  }
}

async function removeAll(directory: Path, names: readonly ByteString[], pace: Pace): Promise<void> {
  for (const name of names) await remove(entryPath(directory, name), pace);
}

/** True if the entry is gone; false if it is a directory. */
function unlinkIfFile(path: Path): boolean {
  try {
    unlinkSync(path);
    return true;
  } catch (error) {
    const code = errnoOf(error);
    if (code === "ENOENT") return true;
    // EPERM is what POSIX says for a directory, and what an immutable file says too.
    if (code === "EISDIR" || (code === "EPERM" && lstatSync(path).isDirectory())) return false;
    throw error;
  }
}

function namesIn(directory: Path): ByteString[] {
  try {
    return listNames(directory);
  } catch (error) {
    if (errnoOf(error) !== "EACCES") throw error;
  }
  // Without privileges a directory may be closed to its own owner.
  chmodSync(directory, 0o700);
  return listNames(directory);
}
