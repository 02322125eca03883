import { rmSync } from "node:fs";
import { type ByteString, pathOfByteString } from "../../linux/index.ts";
import type { OpenDirectory } from "./confined-tree.ts";
import { findFile, joinBytes, namesIn, type TreeFile } from "../diff/tree.ts";
import type { Whiteouts } from "./whiteouts.ts";

/** Whiteouts for a directory that contains the whole tree below the layer. Deletes files at once. */
export class PlainWhiteouts implements Whiteouts {
  readonly #unpacked = new Set<ByteString>();
  readonly #onRemove: () => void;

  /** `onRemove` is called before directories or symbolic links may be removed. */
  constructor(onRemove: () => void) {
    this.#onRemove = onRemove;
  }

  remove(parent: OpenDirectory, name: ByteString): void {
    const found = parent.find(name);
    if (found === undefined) return;
    this.#onRemove();
    this.#removeOld(found);
  }

  clear(directory: OpenDirectory): void {
    this.#onRemove();
    this.#clearOld(directory.entry("."), directory.path);
  }

  /** Also records the parents of the path, so that they are not deleted. */
  markUnpacked(path: ByteString): void {
    for (let at = path; at !== "" && !this.#unpacked.has(at); at = at.slice(0, Math.max(0, at.lastIndexOf("/")))) {
      this.#unpacked.add(at);
    }
  }

  markCopiedUp(): void {
    // The directory contains the tree below, so nothing is ever copied.
  }

  hides(): boolean {
    return false;
  }

  owns(path: ByteString): boolean {
    return this.#unpacked.has(path);
  }

  finish(): Iterable<void> {
    this.#unpacked.clear();
    return [];
  }

  /** Removes the entries of a directory that did not come with the layer. */
  #clearOld(directory: ByteString, path: ByteString): void {
    for (const name of namesIn(directory)) {
      const file = findFile(`${directory}/${name}`, joinBytes(path, name));
      if (file !== undefined) this.#removeOld(file);
    }
  }

  #removeOld(file: TreeFile): void {
    if (!this.#unpacked.has(file.path)) rmSync(pathOfByteString(file.fullPath), { recursive: true, force: true });
    else if (file.type === "directory") this.#clearOld(file.fullPath, file.path);
  }
}
