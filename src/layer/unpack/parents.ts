import { chmodSync, lchownSync, mkdirSync, symlinkSync, unlinkSync } from "node:fs";
import { errnoOf } from "../../core/index.ts";
import { type ByteString, lutimes, pathOfByteString } from "../../linux/index.ts";
import type { Held, HeldFile, Tree } from "./held-tree.ts";
import { isForeignXattr, type Ownership, trySetXattr } from "./entry-place.ts";
import { corruptArchive, quoted } from "../tar/format.ts";
import { joinBytes, linkTarget, type TreeFile, xattrNames, xattrOf } from "../diff/tree.ts";
import type { Whiteouts } from "./whiteouts.ts";

export interface ParentsOptions {
  readonly tree: Tree;
  /** What is below the layer, if the tree holds only the layer itself. */
  readonly lower: Tree | undefined;
  readonly ownership: Ownership;
  readonly what: string;
  /** Called with directories that were made, and the time they shall have in the end. */
  readonly onCreate: (path: ByteString, mtime: bigint | undefined) => void;
}

/** As many as are held open at once. */
const HELD = 64;
/** As the kernel's own limit on symbolic links in one path. */
const MAX_LINKS = 40;

/**
 * The directories that entries go into. Missing ones are made: as those below the layer are, which includes links that stand
 * there for a directory, or else with mode 0755, in the place of a file from below too.
 */
export class Parents implements Disposable {
  readonly #options: ParentsOptions;
  readonly #held = new Map<ByteString, Held>();
  #stale: Held[] = [];
  #whiteouts: Whiteouts | undefined;

  constructor(options: ParentsOptions) {
    this.#options = options;
  }

  set whiteouts(whiteouts: Whiteouts) {
    this.#whiteouts = whiteouts;
  }

  /** The directory at a path of the archive; it stays held until `sweep` is called. */
  at(path: ByteString): Held {
    const known = this.#held.get(path);
    if (known !== undefined) return known;
    if (this.#held.size >= HELD) this.forget();
    const held = this.#open(path);
    this.#held.set(path, held);
    return held;
  }

  /** To be called when a directory or link is removed: paths may lead elsewhere from then on. */
  forget(): void {
    this.#stale.push(...this.#held.values());
    this.#held.clear();
  }

  /** To be called when nothing that `at` has given is in use: lets go of what was forgotten. */
  sweep(): void {
    for (const held of this.#stale) held[Symbol.dispose]();
    this.#stale = [];
  }

  [Symbol.dispose](): void {
    this.forget();
    this.sweep();
  }

  #open(path: ByteString): Held {
    const { tree } = this.#options;
    try {
      return tree.hold(path);
    } catch (error) {
      if (errnoOf(error) !== "ENOENT" && errnoOf(error) !== "ENOTDIR") throw this.#refusal(path, error);
    }
    try {
      return tree.hold(this.#create(path));
    } catch (error) {
      throw this.#refusal(path, error);
    }
  }

  #refusal(path: ByteString, error: unknown): unknown {
    const errno = errnoOf(error);
    if (errno === "ENOTDIR")
      return corruptArchive(this.#options.what, `${quoted(path)} is not a directory but has entries`);
    if (errno === "ELOOP") return corruptArchive(this.#options.what, `${quoted(path)} is a loop of links`);
    return error;
  }

  /** Makes what is missing of a path and returns where it leads, one component at a time. */
  #create(path: ByteString): ByteString {
    const left = path.split("/");
    const done: ByteString[] = [];
    let links = 0;
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      if (next === "..") done.pop();
      if (next === "" || next === "." || next === "..") continue;
      const target = this.#step(done.join("/"), next);
      if (target === undefined) {
        done.push(next);
        continue;
      }
      links += 1;
      if (links > MAX_LINKS) throw Object.assign(new Error("too many links"), { code: "ELOOP" });
      if (target.startsWith("/")) done.length = 0;
      left.unshift(...target.split("/"));
    }
    return done.join("/");
  }

  /** Has a directory at this place, or returns where the link that is there leads. */
  #step(directory: ByteString, name: ByteString): ByteString | undefined {
    using parent = this.#options.tree.hold(directory);
    const found = parent.find(name);
    const path = joinBytes(directory, name);
    if (found?.type === "symlink") return linkTarget(found);
    if (found?.type === "directory" || (found !== undefined && this.#whiteouts?.owns(path) !== false)) return undefined;
    if (found !== undefined) unlinkSync(pathOfByteString(found.fullPath));
    using below = this.#below(path);
    if (below?.file.type === "symlink") {
      this.#whiteouts?.borrowed(path);
      return this.#copyLink(below.file, parent.entry(name));
    }
    this.#make(parent.entry(name), path, below?.file.type === "directory" ? below.file : undefined);
    return undefined;
  }

  #below(path: ByteString): HeldFile | undefined {
    const isHidden = this.#whiteouts?.hides(path) === true;
    return isHidden ? undefined : this.#options.lower?.find(path);
  }

  #copyLink(below: TreeFile, at: ByteString): ByteString {
    const target = linkTarget(below);
    symlinkSync(pathOfByteString(target), pathOfByteString(at));
    this.#copyOwner(below, at);
    copyXattrs(below, at);
    lutimes(pathOfByteString(at), { atime: below.stats.atimeNs, mtime: below.stats.mtimeNs });
    return target;
  }

  #make(at: ByteString, path: ByteString, below: TreeFile | undefined): void {
    const target = pathOfByteString(at);
    mkdirSync(target, 0o755);
    if (below !== undefined) {
      this.#copyOwner(below, at);
      copyXattrs(below, at);
    }
    chmodSync(target, below === undefined ? 0o755 : Number(below.stats.mode) & 0o7777);
    this.#options.onCreate(path, below?.stats.mtimeNs);
  }

  #copyOwner({ stats }: TreeFile, at: ByteString): void {
    if (this.#options.ownership !== "process") lchownSync(pathOfByteString(at), Number(stats.uid), Number(stats.gid));
  }
}

/** Copies what an archive could have set, as far as the filesystem and the privileges allow. */
export function copyXattrs(from: TreeFile, to: ByteString): void {
  for (const name of xattrNames(from)) {
    const value = isForeignXattr(name) ? undefined : xattrOf(from, name);
    if (value !== undefined) trySetXattr(pathOfByteString(to), name, value, from.type);
  }
}
