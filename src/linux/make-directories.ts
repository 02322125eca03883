import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { errnoOf } from "../core/index.ts";

/**
 * Makes a directory and what is missing above it, as `mkdir -p`; `mode` is that of each one made, less the umask. Returns the
 * topmost directory made, or undefined if all were there. Throws the system's error for the first that cannot be made. Each
 * is tried at most twice; Node's recursive `mkdir` never returns where a directory takes none, as below /proc.
 */
export function makeDirectories(path: string, mode = 0o777): string | undefined {
  try {
    return makeOne(path, mode);
  } catch (error) {
    const parent = dirname(path);
    if (errnoOf(error) !== "ENOENT" || parent === path) throw error;
    const first = makeDirectories(parent, mode);
    const made = makeOne(path, mode);
    return first ?? made;
  }
}

/** The path if the directory was made, undefined if it is there. */
function makeOne(path: string, mode: number): string | undefined {
  try {
    mkdirSync(path, mode);
    return path;
  } catch (error) {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return undefined;
    throw error;
  }
}
