import { chmodSync, closeSync, constants, lstatSync, openSync, rmdirSync, unlinkSync } from "node:fs";
import { errnoOf } from "../../core/index.ts";
import { type ByteString, byteStringOf, type Path } from "../../linux/index.ts";
import { Pace, entryPath, listNames } from "./walk.ts";

/**
 * Removes a file or a whole tree, with names of any bytes and of any depth. Succeeds if nothing exists. Never follows symbolic
 * links. Nothing else may change the tree at the same time, except by removing it.
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
    // Another process is removing the same tree.
    if (errnoOf(error) !== "ENOENT") throw error;
  }
}

/** Directories with longer paths are opened first: the kernel takes at most 4095 bytes, and a step can create deeper trees. */
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

/** Removes a file. Returns false for a directory. */
function unlinkIfFile(path: Path): boolean {
  try {
    unlinkSync(path);
    return true;
  } catch (error) {
    const code = errnoOf(error);
    if (code === "ENOENT") return true;
    // POSIX returns EPERM for a directory, but the kernel also returns it for an immutable file.
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
  // An unprivileged owner may have no access to its own directory.
  chmodSync(directory, 0o700);
  return listNames(directory);
}
