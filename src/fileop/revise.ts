import { linkSync, lstatSync } from "node:fs";
import type { Draft, DraftFile, ListingChanges } from "../layer/index.ts";
import { type ByteString, joinPath, type Path, pathOfByteString } from "../linux/index.ts";
import { Pace, type Metadata, copyNode, removeTree, replaceAttributes, setMetadata } from "../snapshot/index.ts";
import { statOf, TargetTree } from "./target.ts";

/** A new version of a layer is written onto the earlier one if at most this part of its files, or of their bytes, differs. */
const LARGEST_PART = 0.5;

/**
 * Returns whether it pays, and is possible, to turn an earlier version of a layer into the one that a draft describes. A removed or
 * replaced file must not hide one of the lower tree: that would have to be made visible again.
 */
export function canRevise({ lower, entries }: Draft, { removed, changed, replaced }: ListingChanges): boolean {
  const names = new Set(changed);
  let [files, bytes, newFiles, newBytes] = [0, 0, removed.length, 0];
  for (const entry of entries) {
    if (entry.type === undefined || entry.type === "directory") continue;
    const size = Number(entry.stats.size);
    files += 1;
    bytes += size;
    if (!names.has(entry.path)) continue;
    newFiles += 1;
    newBytes += size;
  }
  if (newFiles > files * LARGEST_PART || newBytes > bytes * LARGEST_PART) return false;
  return ![...removed, ...replaced].some((path) => lower !== undefined && isThere(`${lower}/${path}`));
}

function isThere(path: ByteString): boolean {
  try {
    return statOf(pathOfByteString(path)) !== undefined;
  } catch {
    // A parent that is not a directory hides nothing, but such a layer is rare: it is written as a whole.
    return true;
  }
}

/** Turns a tree with an earlier version of a layer into one with the layer that a draft describes. Reads the changed files only. */
export async function reviseTree(
  path: string,
  draft: Draft,
  changes: ListingChanges,
  signal?: AbortSignal,
): Promise<void> {
  using tree = new TargetTree(path);
  await new Revision(tree, draft, signal).apply(changes);
}

class Revision {
  readonly #tree: TargetTree;
  readonly #files: ReadonlyMap<ByteString, DraftFile>;
  readonly #pace: Pace;
  readonly #signal: AbortSignal | undefined;
  /** The first name of each file that has several ones. */
  readonly #links = new Map<bigint, Path>();
  /** Directories in which something was changed: their times have to be set again. */
  readonly #touched = new Set<ByteString>();

  constructor(tree: TargetTree, { entries }: Draft, signal: AbortSignal | undefined) {
    this.#tree = tree;
    this.#files = new Map(entries.flatMap((entry) => (entry.type === undefined ? [] : [[entry.path, entry]])));
    this.#pace = new Pace(signal);
    this.#signal = signal;
  }

  async apply({ removed, changed, replaced }: ListingChanges): Promise<void> {
    for (const path of [...removed, ...replaced]) {
      await this.#pace.step();
      await this.#remove(path);
    }
    for (const path of changed) {
      const file = this.#files.get(path);
      if (file === undefined) continue;
      await this.#pace.step();
      await this.#make(file);
    }
    // Names sort before those of their entries, so that entries come first here.
    for (const path of [...this.#touched].sort().toReversed()) this.#finishDirectory(path);
  }

  #path(path: ByteString): Path {
    return path === "" ? this.#tree.prefix : joinPath(this.#tree.prefix, pathOfByteString(path));
  }

  async #remove(path: ByteString): Promise<void> {
    const target = this.#path(path);
    if (statOf(target) === undefined) return;
    this.#touched.add(parentOf(path));
    await removeTree(target);
  }

  async #make(file: DraftFile): Promise<void> {
    const target = this.#path(file.path);
    if (file.type === "directory") {
      if (statOf(target) === undefined) {
        this.#tree.makeDirectory(target);
        this.#touched.add(parentOf(file.path));
      }
      this.#touched.add(file.path);
      return;
    }
    await this.#remove(file.path);
    this.#touched.add(parentOf(file.path));
    const first = this.#links.get(file.stats.ino);
    if (first !== undefined) return linkSync(first, target);
    if (file.stats.nlink > 1n) this.#links.set(file.stats.ino, target);
    await this.#makeFile(file, target);
  }

  async #makeFile(file: DraftFile, target: Path): Promise<void> {
    const source = pathOfByteString(file.source ?? "");
    const stat = lstatSync(source, { bigint: true });
    if (stat.isSocket()) this.#tree.createEmpty(source, target);
    else {
      const copying = copyNode(source, target, stat, this.#signal);
      if (copying !== undefined) await copying;
    }
    setMetadata(target, metadataOf(file), { isLink: file.type === "symlink", attributesOf: source });
  }

  #finishDirectory(path: ByteString): void {
    const file = this.#files.get(path);
    if (file?.type !== "directory") return;
    const target = this.#path(path);
    replaceAttributes(target, file.attributes.map(pathOfByteString));
    setMetadata(target, metadataOf(file), { isLink: false });
  }
}

function metadataOf({ stats: { mode, uid, gid, atimeNs, mtimeNs } }: DraftFile): Metadata {
  return { mode: Number(mode) & 0o7777, uid: Number(uid), gid: Number(gid), atime: atimeNs, mtime: mtimeNs };
}

function parentOf(path: ByteString): ByteString {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}
