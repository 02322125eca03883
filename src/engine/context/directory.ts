import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { VarveError, errnoOf, toVarveError } from "../../core/index.ts";
import type { LocalDirectory } from "./local-contexts.ts";

/**
 * Returns a local directory whose checksums may be cached for later builds.
 *
 * @throws {VarveError} `invalid-build` if `path` is not a directory.
 */
export async function contextDirectory(path: string): Promise<LocalDirectory> {
  const absolute = resolve(path);
  if (!(await isDirectory(absolute))) throw notUsable(path, "it is not a directory");
  return { path: absolute, lasting: true };
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT" || errno === "ENOTDIR") throw notUsable(path, "no such directory", error);
    throw toVarveError(error, `use build context ${path}`, "invalid-build");
  }
}

function notUsable(path: string, state: string, cause?: unknown): VarveError {
  return new VarveError("invalid-build", `Cannot use build context ${path}: ${state}`, { cause });
}
