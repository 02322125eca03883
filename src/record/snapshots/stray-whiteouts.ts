import { type BigIntStats, lstatSync } from "node:fs";
import { errnoOf } from "../../core/index.ts";
import { type Path, lgetxattr } from "../../linux/index.ts";
import { Pace, copyNode, entryPath, listNames, metadataOf, setMetadata } from "../../snapshot/index.ts";

/**
 * Whiteouts that are listed although there is no such file. overlayfs hides a whiteout only in a directory that more than one layer
 * has. A layer in a merge may delete a file of a directory that no other layer has: then the whiteout's name is in the listing of
 * the directory, and opening it fails. A layer on top that has the directory too, and nothing in it, hides the name.
 */

/** A path as its names from the root, in the encoding of `listNames`. */
export type Names = readonly string[];

/** What a layer deletes of the layers below it. */
export interface LayerDeletions {
  /** Directories that contain whiteouts. */
  readonly whiteouts: readonly Names[];
  /** Directories that hide those below them. */
  readonly opaque: readonly Names[];
}

/** Returns the directories of a layer, in overlayfs's format, that delete something. */
export async function deletionsOf(layer: Path, signal: AbortSignal | undefined): Promise<LayerDeletions> {
  const pace = new Pace(signal);
  const [whiteouts, opaque]: [Names[], Names[]] = [[], []];
  const pending: { readonly path: Path; readonly names: Names }[] = [{ path: layer, names: [] }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { path: directory, names } = next;
    let hasWhiteouts = false;
    for (const name of listNames(directory)) {
      const pause = pace.step();
      if (pause !== undefined) await pause;
      const path = entryPath(directory, name);
      const stat = lstatSync(path, { bigint: true });
      if (stat.isDirectory()) pending.push({ path, names: [...names, name] });
      else if (stat.isCharacterDevice() && stat.rdev === 0n) hasWhiteouts = true;
    }
    if (hasWhiteouts) whiteouts.push(names);
    if (names.length > 0 && isOpaque(directory)) opaque.push(names);
  }
  return { whiteouts, opaque };
}

const OPAQUE = ["trusted.overlay.opaque", "user.overlay.opaque"];

function isOpaque(directory: Path): boolean {
  return OPAQUE.some((name) => lgetxattr(directory, name)?.toString() === "y");
}

/** Returns true if one of the directories is in a mounted tree. */
export function hasDirectory(tree: Path, directories: readonly Names[]): boolean {
  return directories.some((names) => directoryIn(tree, names) !== undefined);
}

/** Returns the directories of a mounted tree, out of the given ones, whose listings have names of files that are not there. */
export function strayDirectories(tree: Path, directories: Iterable<Names>): Names[] {
  return [...directories].filter((names) => {
    const path = directoryIn(tree, names);
    return path !== undefined && listNames(path).some((name) => statOf(entryPath(path, name)) === undefined);
  });
}

/** Returns the path of a directory in a tree; undefined if it is not there, or is behind a symbolic link. */
function directoryIn(tree: Path, names: Names): Path | undefined {
  let path = tree;
  for (const name of names) {
    path = entryPath(path, name);
    if (statOf(path)?.isDirectory() !== true) return undefined;
  }
  return path;
}

function statOf(path: Path): BigIntStats | undefined {
  try {
    return lstatSync(path, { bigint: true });
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Makes the given directories of a tree in an empty one, with those above them and all metadata, but nothing else in them. */
export function copyDirectories(tree: Path, directories: readonly Names[], target: Path): void {
  const made: { readonly from: Path; readonly to: Path }[] = [{ from: tree, to: target }];
  for (const names of directories) {
    let [from, to] = [tree, target];
    for (const name of names) {
      [from, to] = [entryPath(from, name), entryPath(to, name)];
      if (statOf(to) !== undefined) continue;
      void copyNode(from, to, lstatSync(from, { bigint: true }));
      made.push({ from, to });
    }
  }
  // The times of a directory change when something is made in it.
  for (const { from, to } of made.toReversed())
    setMetadata(to, metadataOf(lstatSync(from, { bigint: true })), { isLink: false, attributesOf: from });
}
