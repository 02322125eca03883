import { rmSync } from "node:fs";
import { type ByteString, pathOfByteString } from "../../linux/index.ts";
import type { Held } from "./held-tree.ts";
import { findFile, joinBytes, namesIn, type TreeFile } from "../diff/tree.ts";
import type { Whiteouts } from "./whiteouts.ts";

/** For a directory that holds the whole tree below the layer: what is deleted is removed, at once. */
export class PlainWhiteouts implements Whiteouts {
  readonly #unpacked = new Set<ByteString>();
  readonly #onRemove: () => void;

  /** `onRemove` is called when directories held open may have gone. */
  constructor(onRemove: () => void) {
    this.#onRemove = onRemove;
  }

  remove(parent: Held, name: ByteString): void {
    const found = parent.find(name);
    if (found === undefined) return;
    this.#onRemove();
    this.#removeOld(found);
  }

  clear(directory: Held): void {
    this.#onRemove();
    this.#clear(directory.entry("."), directory.key);
  }

  /** Parents of what the layer brings stay, too. */
  unpacked(path: ByteString): void {
    for (let at = path; at !== "" && !this.#unpacked.has(at); at = at.slice(0, Math.max(0, at.lastIndexOf("/")))) {
      this.#unpacked.add(at);
    }
  }

  borrowed(): void {
    // All that is below is here already.
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

  #clear(directory: ByteString, key: ByteString): void {
    for (const name of namesIn(directory)) {
      const file = findFile(`${directory}/${name}`, joinBytes(key, name));
      if (file !== undefined) this.#removeOld(file);
    }
  }

  #removeOld(file: TreeFile): void {
    if (!this.#unpacked.has(file.path)) rmSync(pathOfByteString(file.fullPath), { recursive: true, force: true });
    else if (file.type === "directory") this.#clear(file.fullPath, file.path);
  }
}
