import { rmSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { errnoOf, throwIfAborted, type VarveError } from "../../core/index.ts";
import { type ByteString, lutimes, type Path, pathOfByteString } from "../../linux/index.ts";
import { copyUp, createHardLink } from "./hard-link.ts";
import { ConfinedTree, type OpenDirectory, splitPath } from "./confined-tree.ts";
import { ParentDirectories } from "./parent-directories.ts";
import {
  dropXattrs,
  type Ownership,
  createDirectory,
  createFile,
  createNode,
  setLinkMetadata,
  setTime,
} from "./create-entry.ts";
import { corruptArchive, quoted } from "../tar/format.ts";
import { joinBytes } from "../diff/tree.ts";
import { treeError } from "../diff/tree-error.ts";
import type { TarEntry, TarHeader } from "../types.ts";
import { noWhiteouts, OPAQUE, type Whiteouts } from "./whiteouts.ts";
import { OverlayWhiteouts } from "./whiteouts-overlay.ts";
import { PlainWhiteouts } from "./whiteouts-plain.ts";

/** What the directory is, and what names that begin with ".wh." mean. */
export type UnpackMode =
  /** The archive is not a layer. These names have no special meaning. */
  | { readonly kind: "archive" }
  /** The directory contains the whole tree below the layer. These names delete files from it. */
  | { readonly kind: "plain" }
  /** The directory is the empty upper directory of an overlay on top of `lower`. These names become overlayfs's marks. */
  | { readonly kind: "overlay"; readonly lower: Path | undefined; readonly userXattr: boolean };

export interface UnpackOptions {
  readonly mode: UnpackMode;
  readonly ownership: Ownership;
  readonly what: string;
  readonly signal: AbortSignal | undefined;
}

/** The result of unpacking an archive. */
export interface Unpacked {
  /** Size of all files in bytes, including holes. */
  readonly size: number;
  /** Devices that could not be created for lack of privileges, at most 100 of them. Bytes that are not ASCII are `\xNN`. */
  readonly skipped: readonly string[];
}

const WHITEOUT = ".wh.";
const MAX_SKIPPED = 100;
/** Milliseconds of work between two pauses that let other tasks run. */
const TURN = 10;

/** Unpacks entries into a directory. Whatever the entries say, changes nothing outside the directory. */
export async function unpack(
  entries: AsyncIterable<TarEntry>,
  directory: Path,
  options: UnpackOptions,
): Promise<Unpacked> {
  try {
    using unpacker = new Unpacker(directory, options);
    let turn = performance.now();
    for await (const entry of entries) {
      throwIfAborted(options.signal, `unpack ${options.what}`);
      await unpacker.add(entry);
      if (performance.now() - turn < TURN) continue;
      await setImmediate();
      turn = performance.now();
    }
    return await unpacker.finish();
  } catch (error) {
    throw treeError(error, `unpack ${options.what}`);
  }
}

class Unpacker implements Disposable {
  readonly #options: UnpackOptions;
  readonly #resources: DisposableStack;
  readonly #tree: ConfinedTree;
  readonly #lower: ConfinedTree | undefined;
  readonly #parents: ParentDirectories;
  readonly #whiteouts: Whiteouts;
  /** Times of directories. They are set at the end, because creating an entry changes the time of its directory. */
  readonly #times = new Map<ByteString, bigint>();
  readonly #skipped: string[] = [];
  #size = 0;
  /** New directories are parents of a hard link's target, not of an entry. */
  #isLinking = false;

  constructor(directory: Path, options: UnpackOptions) {
    const { mode, ownership, what } = options;
    this.#options = options;
    using resources = new DisposableStack();
    this.#tree = resources.use(new ConfinedTree(directory));
    const lower = mode.kind === "overlay" ? mode.lower : undefined;
    this.#lower = lower === undefined ? undefined : resources.use(new ConfinedTree(lower));
    const onCreate = (path: ByteString, mtime: bigint | undefined): void => {
      // A copy becomes a part of the layer with the first entry in it. A path may only pass through it: "a/../b".
      if (this.#isLinking || mtime !== undefined) this.#whiteouts.markCopiedUp(path);
      else this.#whiteouts.markUnpacked(path);
      if (mtime !== undefined) this.#times.set(path, mtime);
    };
    const parentOptions = { tree: this.#tree, lower: this.#lower, ownership, what, onCreate };
    this.#parents = resources.use(new ParentDirectories(parentOptions));
    this.#whiteouts = this.#whiteoutsFor(mode);
    this.#parents.whiteouts = this.#whiteouts;
    this.#resources = resources.move();
  }

  async add(entry: TarEntry): Promise<void> {
    if (entry.path === "") return;
    try {
      this.#parents.closeStale();
      await this.#add(entry);
    } catch (error) {
      throw treeError(error, `unpack ${quoted(entry.path)} of ${this.#options.what}`);
    }
  }

  async #add(entry: TarEntry): Promise<void> {
    const [directory, name] = splitPath(entry.path);
    const parent = this.#parents.open(directory);
    // The layer also contains a directory that is only named by a whiteout in it.
    this.#whiteouts.markUnpacked(parent.path);
    if (this.#handleWhiteout(parent, name, entry)) return;
    await this.#createOrReplace(parent, name, entry);
    this.#whiteouts.markUnpacked(joinBytes(parent.path, name));
    this.#size += entry.size;
  }

  async finish(): Promise<Unpacked> {
    const { signal, what } = this.#options;
    let turn = performance.now();
    for (const _step of this.#finish()) {
      if (performance.now() - turn < TURN) continue;
      throwIfAborted(signal, `unpack ${what}`);
      await setImmediate();
      turn = performance.now();
    }
    return { size: this.#size, skipped: this.#skipped };
  }

  /** Yields between short steps, so that the caller can pause. */
  *#finish(): Generator<void> {
    yield* this.#whiteouts.finish();
    for (const [path, mtime] of this.#times) {
      using directory = this.#tree.tryOpen(path);
      if (directory?.path === path) lutimes(directory.entry("."), { atime: mtime, mtime });
      yield;
    }
  }

  [Symbol.dispose](): void {
    this.#resources.dispose();
  }

  #whiteoutsFor(mode: UnpackMode): Whiteouts {
    const onRemove = (): void => this.#parents.invalidate();
    switch (mode.kind) {
      case "archive":
        return noWhiteouts;
      case "plain":
        return new PlainWhiteouts(onRemove);
      case "overlay": {
        const prefix = mode.userXattr ? "user.overlay." : "trusted.overlay.";
        return new OverlayWhiteouts({ upper: this.#tree, lower: this.#lower, prefix, onRemove });
      }
    }
  }

  /** Handles an entry that is a whiteout. Returns false for any other entry. */
  #handleWhiteout(parent: OpenDirectory, name: ByteString, entry: TarHeader): boolean {
    if (this.#options.mode.kind === "archive") return false;
    if (name === OPAQUE) {
      this.#whiteouts.clear(parent);
      return true;
    }
    if (name.startsWith(WHITEOUT)) {
      this.#whiteouts.remove(parent, this.#deletedName(name, entry));
      return true;
    }
    // overlayfs treats a 0:0 character device as a deletion. The other modes do the same, so that all trees are equal.
    if (entry.type !== "char" || entry.devMajor !== 0 || entry.devMinor !== 0) return false;
    this.#whiteouts.remove(parent, name);
    return true;
  }

  #deletedName(name: ByteString, entry: TarHeader): ByteString {
    const deleted = name.slice(WHITEOUT.length);
    if (deleted !== "" && deleted !== "." && deleted !== "..") return deleted;
    throw corruptArchive(this.#options.what, `the whiteout ${quoted(entry.path)} names no entry of its directory`);
  }

  async #createOrReplace(parent: OpenDirectory, name: ByteString, entry: TarEntry): Promise<void> {
    try {
      await this.#create(parent, name, entry);
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") throw error;
      this.#remove(parent, name);
      // What the tree below has here is gone too: a hard link must not bring it back as its own target.
      this.#whiteouts.remove(parent, name);
      await this.#create(parent, name, entry);
    }
  }

  async #create(parent: OpenDirectory, name: ByteString, entry: TarEntry): Promise<void> {
    const at = pathOfByteString(parent.entry(name));
    const options = this.#options;
    switch (entry.type) {
      case "file":
        return await createFile(at, entry, options);
      case "directory":
        return this.#createDirectory(parent, name, entry);
      case "hardlink":
        return await this.#createLink(parent, name, entry);
      case "symlink":
      case "fifo":
        return createNode(at, { ...entry, type: entry.type }, options);
      case "char":
      case "block":
        try {
          return createNode(at, { ...entry, type: entry.type }, options);
        } catch (error) {
          if (errnoOf(error) !== "EPERM" || parent.find(name) !== undefined) throw error;
          if (this.#skipped.length < MAX_SKIPPED) this.#skipped.push(quoted(entry.path).slice(1, -1));
        }
    }
  }

  #createDirectory(parent: OpenDirectory, name: ByteString, entry: TarEntry): void {
    const found = parent.find(name);
    if (found !== undefined && found.type !== "directory") {
      this.#remove(parent, name);
      // The removed file hid a directory of the tree below. The new directory must hide it too.
      this.#whiteouts.remove(parent, name);
    }
    const at = pathOfByteString(parent.entry(name));
    if (found?.type === "directory" && this.#options.mode.kind !== "archive") dropXattrs(at, entry);
    createDirectory(at, entry, this.#options);
    this.#times.set(joinBytes(parent.path, name), entry.mtime);
  }

  /** Creates a hard link, and sets the metadata of its header on the file. */
  async #createLink(parent: OpenDirectory, name: ByteString, entry: TarEntry): Promise<void> {
    const target = await this.#linkTarget(entry);
    const at = parent.entry(name);
    if (target.path === joinBytes(parent.path, name)) return;
    createHardLink(target.fullPath, at);
    const header: TarHeader = target.isSymlink ? { ...entry, type: "symlink" } : entry;
    setLinkMetadata(pathOfByteString(at), header, this.#options);
    setTime(pathOfByteString(at), entry);
  }

  /** Returns the target of a hard link, after copying it from the tree below if it exists only there. */
  async #linkTarget(entry: TarEntry): Promise<{ path: ByteString; fullPath: ByteString; isSymlink: boolean }> {
    if (entry.linkPath === "") throw this.#badLink(entry);
    const [directory, name] = splitPath(entry.linkPath);
    this.#isLinking = true;
    const parent = this.#parents.open(directory);
    this.#isLinking = false;
    const path = joinBytes(parent.path, name);
    if (parent.find(name) === undefined && !this.#whiteouts.hides(path)) {
      using below = this.#lower?.find(path);
      if (below !== undefined && below.file.type !== "directory") {
        await copyUp(below.file, parent.entry(name), this.#options);
        this.#whiteouts.markCopiedUp(path);
      }
    }
    const found = parent.find(name);
    if (found === undefined || found.type === "directory") throw this.#badLink(entry);
    return { path, fullPath: parent.entry(name), isSymlink: found.type === "symlink" };
  }

  #badLink({ path, linkPath }: TarEntry): VarveError {
    const state = `${quoted(path)} is a hard link to ${quoted(linkPath)}, which is not a file`;
    return corruptArchive(this.#options.what, state);
  }

  #remove(parent: OpenDirectory, name: ByteString): void {
    const found = parent.find(name);
    if (found === undefined) return;
    rmSync(pathOfByteString(parent.entry(name)), { recursive: true, force: true });
    if (found.type === "directory" || found.type === "symlink") this.#parents.invalidate();
  }
}
