import type { ContainerConfig, LocalImage } from "../../../image/index.ts";
import { fstatSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { type Digest, errnoOf } from "../../../core/index.ts";
import { Root } from "../../../linux/index.ts";
import { stepError } from "../failure.ts";

/**
 * Checks that what a container needs to be directories, its working directory and its volumes, is none of the tree's files.
 * Throws what the daemon says when it creates one.
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
 * Images whose files may be in the way of their own working directory and volumes: those in which a step changed files. Of
 * any other, a container was created when it was made.
 */
export class UncheckedImages {
  readonly #ids = new Set<Digest>();

  add({ id }: LocalImage): void {
    this.#ids.add(id);
  }

  /** Whether a container with this config on the image's files is to be checked. */
  includes({ id, config }: LocalImage, run: ContainerConfig): boolean {
    const [before, now] = [pathsOf(config.config ?? {}), pathsOf(run)];
    if (now.length === 0) return false;
    return this.#ids.has(id) || !isDeepStrictEqual(before, now);
  }
}

/** The root itself is never in the way. */
function pathsOf({ WorkingDir = "", Volumes = new Set() }: ContainerConfig): readonly string[] {
  return [WorkingDir, ...Volumes].filter((path) => path !== "" && path !== "/");
}
