import { chmodSync, lstatSync, rmdirSync, unlinkSync } from "node:fs";
import { errnoOf } from "../../core/index.ts";
import type { Path } from "../../linux/index.ts";
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
    for (const name of namesIn(path)) await remove(entryPath(path, name), pace);
    rmdirSync(path);
  } catch (error) {
    // Another process removes the same tree.
    if (errnoOf(error) !== "ENOENT") throw error;
  }
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

function namesIn(directory: Path): string[] {
  try {
    return listNames(directory);
  } catch (error) {
    if (errnoOf(error) !== "EACCES") throw error;
  }
  // Without privileges a directory may be closed to its own owner.
  chmodSync(directory, 0o700);
  return listNames(directory);
}
