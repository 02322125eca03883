import { type BigIntStats, lstatSync } from "node:fs";
import { errnoOf } from "../../core/index.ts";
import type { Path } from "../../linux/index.ts";
import { Pace, copyNode, entryPath, listNames, metadataOf, setMetadata } from "../../snapshot/index.ts";

/**
 * Whiteouts that are listed although there is no such file. overlayfs hides a whiteout only in a directory that more than one layer
 * has. A layer in a merge may delete a file of a directory that no other layer has: then the whiteout's name is in the listing of
 * the directory, and opening it fails. A layer on top that has the directory too, and nothing in it, hides the name.
 */

/** A path as its names from the root, in the encoding of `listNames`. */
type Names = readonly string[];

/** Returns the directories of a layer, in overlayfs's format, that contain whiteouts. */
export async function directoriesWithWhiteouts(layer: Path, signal: AbortSignal | undefined): Promise<Names[]> {
  const pace = new Pace(signal);
  const found: Names[] = [];
  const pending: { readonly path: Path; readonly names: Names }[] = [{ path: layer, names: [] }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    let hasWhiteouts = false;
    for (const name of listNames(next.path)) {
      const pause = pace.step();
      if (pause !== undefined) await pause;
      const path = entryPath(next.path, name);
      const stat = lstatSync(path, { bigint: true });
      if (stat.isDirectory()) pending.push({ path, names: [...next.names, name] });
      else if (stat.isCharacterDevice() && stat.rdev === 0n) hasWhiteouts = true;
    }
    if (hasWhiteouts) found.push(next.names);
  }
  return found;
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
