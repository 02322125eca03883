import { constants, rmdirSync, unlinkSync } from "node:fs";
import { errnoOf } from "../../core/index.ts";
import { type ByteString, lsetxattr, mknod, pathOfByteString } from "../../linux/index.ts";
import { type Held, splitPath, type Tree } from "./held-tree.ts";
import { PathTree } from "./path-tree.ts";
import { isWhiteoutDevice, joinBytes, namesIn, type TreeFile } from "../diff/tree.ts";
import { isUnder, type Whiteouts } from "./whiteouts.ts";

const YES = Buffer.from("y");

export interface OverlayWhiteoutsOptions {
  /** The upper directory, with nothing in it but this layer. */
  readonly upper: Tree;
  /** What is below, as mounted. */
  readonly lower: Tree | undefined;
  /** Called when directories held open may have gone, or links on the way to them. */
  readonly onRemove: () => void;
  /** Of the overlay's own attributes. */
  readonly prefix: "trusted.overlay." | "user.overlay.";
}

/**
 * For an overlay's upper directory: a deletion becomes a character device 0:0, or, where the layer has a directory of that
 * name, an opaque directory. All are made at the end, when it is known what the layer brings; those that would hide nothing
 * are not made, since the kernel shows them in directories that exist in the upper layer only.
 */
export class OverlayWhiteouts implements Whiteouts {
  readonly #options: OverlayWhiteoutsOptions;
  readonly #removed = new Set<ByteString>();
  readonly #cleared = new Set<ByteString>();
  readonly #borrowed = new PathTree();

  constructor(options: OverlayWhiteoutsOptions) {
    this.#options = options;
  }

  remove(parent: Held, name: ByteString): void {
    const path = joinBytes(parent.key, name);
    this.#removed.add(path);
    this.#giveBack(path);
  }

  clear(directory: Held): void {
    this.#cleared.add(directory.key);
    this.#giveBack(directory.key);
  }

  unpacked(path: ByteString): void {
    this.#borrowed.delete(path);
  }

  borrowed(path: ByteString): void {
    this.#borrowed.add(path);
  }

  hides(path: ByteString): boolean {
    return isUnder(path, this.#removed) || isUnder(path, this.#cleared);
  }

  owns(path: ByteString): boolean {
    return !this.#borrowed.has(path);
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

  /** The kernel takes no opaque mark on the root of a layer. */
  #clearRoot(): void {
    using root = this.#options.lower?.hold("");
    if (root === undefined) this.#makeOpaque("");
    else for (const name of namesIn(root.entry("."))) this.#removed.add(name);
  }

  /** What was copied from below, only to be linked to or followed, goes with it. */
  #giveBack(path: ByteString): void {
    for (const borrowed of this.#borrowed.take(path).reverse()) {
      using found = this.#options.upper.find(borrowed);
      if (found === undefined) continue;
      this.#options.onRemove();
      giveUp(found.file);
    }
  }

  #makeOpaque(path: ByteString): void {
    using directory = this.#options.upper.holdIfThere(path);
    if (directory?.key !== path || this.#isNew(path)) return;
    lsetxattr(directory.entry("."), `${this.#options.prefix}opaque`, YES);
  }

  #makeWhiteout(path: ByteString): void {
    const [directory, name] = splitPath(path);
    using parent = this.#options.upper.holdIfThere(directory);
    // A link that the layer has put in the place of a directory hides what was in that by itself.
    if (parent?.key !== directory || parent.find(name) !== undefined || this.#isNew(path)) return;
    mknod(pathOfByteString(parent.entry(name)), constants.S_IFCHR, 0, 0);
  }

  /** True if it is known that nothing is below at this path. */
  #isNew(path: ByteString): boolean {
    const { lower } = this.#options;
    if (lower === undefined || path === "") return false;
    using found = lower.find(path);
    return found === undefined || isWhiteoutDevice(found.file);
  }
}

/** Removes what was copied from below; a directory stays if the layer has put something into it. */
function giveUp(file: TreeFile): void {
  const path = pathOfByteString(file.fullPath);
  if (file.type !== "directory") return unlinkSync(path);
  try {
    rmdirSync(path);
  } catch (error) {
    if (errnoOf(error) !== "ENOTEMPTY") throw error;
  }
}
