import { constants, rmdirSync, unlinkSync } from "node:fs";
import { errnoOf } from "../../core/index.ts";
import { type ByteString, lsetxattr, mknod, pathOfByteString } from "../../linux/index.ts";
import { type ConfinedTree, type OpenDirectory, splitPath } from "./confined-tree.ts";
import { PathTree } from "./path-tree.ts";
import { isWhiteoutDevice, joinBytes, namesIn, type TreeFile } from "../diff/tree.ts";
import { isUnder, type Whiteouts } from "./whiteouts.ts";

const YES = Buffer.from("y");

export interface OverlayWhiteoutsOptions {
  /** The upper directory. It contains nothing but this layer. */
  readonly upper: ConfinedTree;
  /** A mount of the tree below. */
  readonly lower: ConfinedTree | undefined;
  /** Called before directories or symbolic links may be removed. */
  readonly onRemove: () => void;
  /** Prefix of overlayfs's attributes. */
  readonly prefix: "trusted.overlay." | "user.overlay.";
}

/**
 * Whiteouts for the upper directory of an overlay. A deletion becomes a 0:0 character device, or an opaque directory if the
 * layer has a directory with this name. All marks are created at the end, when the content of the layer is known. Marks that
 * would hide nothing are not created: the kernel shows them as files in directories that only the upper directory has.
 */
export class OverlayWhiteouts implements Whiteouts {
  readonly #options: OverlayWhiteoutsOptions;
  readonly #removed = new Set<ByteString>();
  readonly #cleared = new Set<ByteString>();
  readonly #copiedUp = new PathTree();

  constructor(options: OverlayWhiteoutsOptions) {
    this.#options = options;
  }

  remove(parent: OpenDirectory, name: ByteString): void {
    const path = joinBytes(parent.path, name);
    this.#removed.add(path);
    this.#removeCopiedUp(path);
  }

  clear(directory: OpenDirectory): void {
    this.#cleared.add(directory.path);
    this.#removeCopiedUp(directory.path);
  }

  markUnpacked(path: ByteString): void {
    this.#copiedUp.deleteUpTo(path);
  }

  markCopiedUp(path: ByteString): void {
    this.#copiedUp.add(path);
  }

  hides(path: ByteString): boolean {
    return isUnder(path, this.#removed) || isUnder(path, this.#cleared);
  }

  owns(path: ByteString): boolean {
    return !this.#copiedUp.has(path);
  }

  *finish(): Generator<void> {
    if (this.#cleared.delete("")) this.#clearRoot();
    const opaque = new Set(this.#cleared);
    for (const path of this.#removed) {
      using found = this.#options.upper.find(path);
      if (found?.file.type === "directory") opaque.add(path);
      yield;
    }
    for (const path of opaque) yield this.#makeOpaque(path);
    for (const path of this.#removed) {
      if (!opaque.has(path) && !isUnder(splitPath(path)[0], opaque)) yield this.#makeWhiteout(path);
    }
  }

  /** Deletes every entry by itself: overlayfs ignores an opaque mark on the root of a layer. */
  #clearRoot(): void {
    using root = this.#options.lower?.open("");
    if (root === undefined) this.#makeOpaque("");
    else for (const name of namesIn(root.entry("."))) this.#removed.add(name);
  }

  /** Removes the copies of files below a deleted path. */
  #removeCopiedUp(path: ByteString): void {
    for (const copied of this.#copiedUp.take(path).reverse()) {
      using found = this.#options.upper.find(copied);
      if (found === undefined) continue;
      this.#options.onRemove();
      removeCopy(found.file);
    }
  }

  #makeOpaque(path: ByteString): void {
    using directory = this.#options.upper.tryOpen(path);
    if (directory?.path !== path || this.#isNew(path)) return;
    lsetxattr(directory.entry("."), `${this.#options.prefix}opaque`, YES);
  }

  #makeWhiteout(path: ByteString): void {
    const [directory, name] = splitPath(path);
    using parent = this.#options.upper.tryOpen(directory);
    // If the layer has a symbolic link instead of the parent directory, the link already hides the entries below.
    if (parent?.path !== directory || parent.find(name) !== undefined || this.#isNew(path)) return;
    mknod(pathOfByteString(parent.entry(name)), constants.S_IFCHR, 0, 0);
  }

  /** Returns whether the tree below is known to have no such path. */
  #isNew(path: ByteString): boolean {
    const { lower } = this.#options;
    if (lower === undefined || path === "") return false;
    using found = lower.find(path);
    return found === undefined || isWhiteoutDevice(found.file);
  }
}

/** Removes a copied file. A directory stays if the layer has put something into it. */
function removeCopy(file: TreeFile): void {
  const path = pathOfByteString(file.fullPath);
  if (file.type !== "directory") return unlinkSync(path);
  try {
    rmdirSync(path);
  } catch (error) {
    if (errnoOf(error) !== "ENOTEMPTY") throw error;
  }
}
