import { chmodSync, mkdirSync, symlinkSync, unlinkSync } from "node:fs";
import { errnoOf } from "../../core/index.ts";
import { type ByteString, lutimes, pathOfByteString, setOwner } from "../../linux/index.ts";
import type { ConfinedTree, FoundFile, OpenDirectory } from "./confined-tree.ts";
import { isReservedXattr, type Ownership, trySetXattr } from "./create-entry.ts";
import { corruptArchive, quoted } from "../tar/format.ts";
import { joinBytes, linkTarget, type TreeFile, xattrNames, xattrOf } from "../diff/tree.ts";
import type { Whiteouts } from "./whiteouts.ts";

export interface ParentDirectoriesOptions {
  readonly tree: ConfinedTree;
  /** The tree below the layer, if `tree` is an overlay's upper directory. */
  readonly lower: ConfinedTree | undefined;
  readonly ownership: Ownership;
  readonly what: string;
  /** Called with the path of each new directory. If `mtime` is defined, the caller must set it after the last change. */
  readonly onCreate: (path: ByteString, mtime: bigint | undefined) => void;
}

/** Maximum number of open directories. */
const MAX_OPEN = 64;
/** Maximum number of symbolic links in one path: the kernel's own limit. */
const MAX_LINKS = 40;

/**
 * Opens the directories that entries are put into, and creates missing ones. A missing directory is a copy of the one below the
 * layer, or of the symbolic link to a directory that is there. If there is nothing below, it gets mode 0755. It also replaces
 * a file of a lower layer.
 */
export class ParentDirectories implements Disposable {
  readonly #options: ParentDirectoriesOptions;
  readonly #open = new Map<ByteString, OpenDirectory>();
  /** Directories whose paths may lead elsewhere by now. They may still be in use. */
  #stale: OpenDirectory[] = [];
  #whiteouts: Whiteouts | undefined;

  constructor(options: ParentDirectoriesOptions) {
    this.#options = options;
  }

  set whiteouts(whiteouts: Whiteouts) {
    this.#whiteouts = whiteouts;
  }

  /** Returns the directory at a path of the archive. It stays open at least until the next call of `closeStale`. */
  open(path: ByteString): OpenDirectory {
    const known = this.#open.get(path);
    if (known !== undefined) return known;
    if (this.#open.size >= MAX_OPEN) this.invalidate();
    const directory = this.#openOrCreate(path);
    this.#open.set(path, directory);
    return directory;
  }

  /** Opens all directories anew when they are next needed. Call it after removing a directory or a symbolic link. */
  invalidate(): void {
    this.#stale.push(...this.#open.values());
    this.#open.clear();
  }

  /** Closes invalidated directories. Call it while no directory from `open` is in use. */
  closeStale(): void {
    for (const directory of this.#stale) directory[Symbol.dispose]();
    this.#stale = [];
  }

  [Symbol.dispose](): void {
    this.invalidate();
    this.closeStale();
  }

  #openOrCreate(path: ByteString): OpenDirectory {
    const { tree } = this.#options;
    try {
      return tree.open(path);
    } catch (error) {
      if (errnoOf(error) !== "ENOENT" && errnoOf(error) !== "ENOTDIR") throw this.#pathError(path, error);
    }
    try {
      return tree.open(this.#create(path));
    } catch (error) {
      throw this.#pathError(path, error);
    }
  }

  #pathError(path: ByteString, error: unknown): unknown {
    const errno = errnoOf(error);
    if (errno === "ENOTDIR")
      return corruptArchive(this.#options.what, `${quoted(path)} is not a directory but has entries`);
    if (errno === "ELOOP") return corruptArchive(this.#options.what, `${quoted(path)} is a loop of symbolic links`);
    return error;
  }

  /** Creates the missing directories of a path. Returns the path with all symbolic links resolved. */
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

  /** Creates a directory unless it exists. If it is a symbolic link, or becomes one, returns the target of the link. */
  #step(directory: ByteString, name: ByteString): ByteString | undefined {
    using parent = this.#options.tree.open(directory);
    const found = parent.find(name);
    const path = joinBytes(directory, name);
    if (found?.type === "symlink") return linkTarget(found);
    if (found?.type === "directory" || (found !== undefined && this.#whiteouts?.owns(path) !== false)) return undefined;
    if (found !== undefined) unlinkSync(pathOfByteString(found.fullPath));
    using below = this.#below(path);
    if (below?.file.type === "symlink") {
      this.#whiteouts?.markCopiedUp(path);
      return this.#copyLink(below.file, parent.entry(name));
    }
    this.#createDirectory(parent.entry(name), path, below?.file.type === "directory" ? below.file : undefined);
    return undefined;
  }

  #below(path: ByteString): FoundFile | undefined {
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

  #createDirectory(at: ByteString, path: ByteString, below: TreeFile | undefined): void {
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
    if (this.#options.ownership !== "process") setOwner(pathOfByteString(at), Number(stats.uid), Number(stats.gid));
  }
}

/** Copies the extended attributes that an archive may set. Skips those that the filesystem or the privileges do not allow. */
export function copyXattrs(from: TreeFile, to: ByteString): void {
  for (const name of xattrNames(from)) {
    const value = isReservedXattr(name) ? undefined : xattrOf(from, name);
    if (value !== undefined) trySetXattr(pathOfByteString(to), name, value, from.type);
  }
}
