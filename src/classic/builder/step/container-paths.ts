import type { ContainerConfig, LocalImage } from "../../../image/index.ts";
import { fstatSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { type Digest, errnoOf } from "../../../core/index.ts";
import { Root } from "../../../linux/index.ts";
import { stepError } from "../failure.ts";

/**
 * Checks that a container's working directory and volumes are not files in the tree. Otherwise throws the daemon's error for
 * creating a container.
 */
export function checkContainerPaths(tree: string, { WorkingDir = "", Volumes = new Set() }: ContainerConfig): void {
  using root = Root.open(tree);
  if (isFile(root, WorkingDir)) throw stepError(`Cannot mkdir: ${WorkingDir} is not a directory`);
  for (const volume of Volumes)
    if (isFile(root, volume)) throw stepError(`cannot mount volume over existing file, file exists ${volume}`);
}

function isFile(root: Root, path: string): boolean {
  try {
    using found = root.open(path === "" ? "/" : path);
    return !fstatSync(found.fd).isDirectory();
  } catch (error) {
    if (errnoOf(error) === "ENOTDIR") throw stepError(`lstat ${path}: not a directory`, error);
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ELOOP") return false;
    throw error;
  }
}

/**
 * Images whose working directory and volumes may be files, because a step changed files since the last check. For all other
 * images, `checkContainerPaths` was called when they were made.
 */
export class UncheckedImages {
  readonly #ids = new Set<Digest>();

  add({ id }: LocalImage): void {
    this.#ids.add(id);
  }

  /** True if a container with this config on the image's files must be checked. */
  includes({ id, config }: LocalImage, run: ContainerConfig): boolean {
    const [before, now] = [pathsOf(config.config ?? {}), pathsOf(run)];
    if (now.length === 0) return false;
    return this.#ids.has(id) || !isDeepStrictEqual(before, now);
  }
}

/** Returns the paths to check. The root is always a directory. */
function pathsOf({ WorkingDir = "", Volumes = new Set() }: ContainerConfig): readonly string[] {
  return [WorkingDir, ...Volumes].filter((path) => path !== "" && path !== "/");
}
