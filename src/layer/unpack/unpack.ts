import { rmSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { errnoOf, throwIfAborted, type VarveError } from "../../core/index.ts";
import { type ByteString, lutimes, type Path, pathOfByteString } from "../../linux/index.ts";
import { copyUp, placeLink } from "./hard-link.ts";
import { type Held, splitPath, Tree } from "./held-tree.ts";
import { Parents } from "./parents.ts";
import {
  dropXattrs,
  type Ownership,
  placeDirectory,
  placeFile,
  placeNode,
  setMetadata,
  setTime,
} from "./entry-place.ts";
import { corruptArchive, quoted } from "../tar/format.ts";
import { joinBytes } from "../diff/tree.ts";
import { treeError } from "../diff/tree-error.ts";
import type { TarEntry, TarHeader } from "../types.ts";
import { noWhiteouts, OPAQUE, type Whiteouts } from "./whiteouts.ts";
import { OverlayWhiteouts } from "./whiteouts-overlay.ts";
import { PlainWhiteouts } from "./whiteouts-plain.ts";

/** What names that begin with ".wh." do. */
export type UnpackMode =
  /** They are names like others. */
  | { readonly kind: "archive" }
  /** They delete from the directory, which holds all that is below the layer. */
  | { readonly kind: "plain" }
  /** They become marks of an overlay, whose empty upper directory this is; `lower` is what it will lie on. */
  | { readonly kind: "overlay"; readonly lower: Path | undefined; readonly userXattr: boolean };

export interface UnpackOptions {
  readonly mode: UnpackMode;
  readonly ownership: Ownership;
  readonly what: string;
  readonly signal: AbortSignal | undefined;
}

export interface Unpacked {
  /** Bytes of file content, holes included. */
  readonly size: number;
  /** The first of the devices (at most 100) that could not be made for lack of privilege; UTF-8 or `\xNN`. */
  readonly skipped: readonly string[];
}

const WHITEOUT = ".wh.";
const MOST_SKIPPED = 100;
/** Work for so long, in milliseconds, before others get their turn. */
const TURN = 10;

/** Puts entries into a directory, and nothing outside it whatever they say. */
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
  readonly #held: DisposableStack;
  readonly #tree: Tree;
  readonly #lower: Tree | undefined;
  readonly #parents: Parents;
  readonly #whiteouts: Whiteouts;
  /** Times of directories are set at the end: what is put into them changes them. */
  readonly #times = new Map<ByteString, bigint>();
  readonly #skipped: string[] = [];
  #size = 0;
  /** Directories are being made for the sake of a link's target, not of an entry. */
  #isLinking = false;

  constructor(directory: Path, options: UnpackOptions) {
    const { mode, ownership, what } = options;
    this.#options = options;
    using held = new DisposableStack();
    this.#tree = held.use(new Tree(directory));
    this.#lower = mode.kind === "overlay" && mode.lower !== undefined ? held.use(new Tree(mode.lower)) : undefined;
    const onCreate = (path: ByteString, mtime: bigint | undefined): void => {
      if (this.#isLinking) this.#whiteouts.borrowed(path);
      else this.#whiteouts.unpacked(path);
      if (mtime !== undefined) this.#times.set(path, mtime);
    };
    this.#parents = held.use(new Parents({ tree: this.#tree, lower: this.#lower, ownership, what, onCreate }));
    this.#whiteouts = this.#whiteoutsFor(mode);
    this.#parents.whiteouts = this.#whiteouts;
    this.#held = held.move();
  }

  async add(entry: TarEntry): Promise<void> {
    if (entry.path === "") return;
    try {
      this.#parents.sweep();
      await this.#add(entry);
    } catch (error) {
      throw treeError(error, `unpack ${quoted(entry.path)} of ${this.#options.what}`);
    }
  }

  async #add(entry: TarEntry): Promise<void> {
    const [directory, name] = splitPath(entry.path);
    const parent = this.#parents.at(directory);
    // A directory that is named only to delete in it is the layer's as well.
    this.#whiteouts.unpacked(parent.key);
    if (this.#whiteout(parent, name, entry)) return;
    await this.#place(parent, name, entry);
    this.#whiteouts.unpacked(joinBytes(parent.key, name));
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

  /** In steps, so that others get their turn. */
  *#finish(): Generator<void> {
    yield* this.#whiteouts.finish();
    for (const [path, mtime] of this.#times) {
      using held = this.#tree.holdIfThere(path);
      if (held?.key === path) lutimes(held.entry("."), { atime: mtime, mtime });
      yield;
    }
  }

  [Symbol.dispose](): void {
    this.#held.dispose();
  }

  #whiteoutsFor(mode: UnpackMode): Whiteouts {
    const onRemove = (): void => this.#parents.forget();
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

  /** True if the entry is a deletion, which is then noted. */
  #whiteout(parent: Held, name: ByteString, entry: TarHeader): boolean {
    if (this.#options.mode.kind === "archive") return false;
    if (name === OPAQUE) {
      this.#whiteouts.clear(parent);
      return true;
    }
    if (name.startsWith(WHITEOUT)) {
      this.#whiteouts.remove(parent, this.#deletedName(name, entry));
      return true;
    }
    // An overlay takes the device 0:0 for a deletion, and so does every other unpacking here, so that trees are the same.
    if (entry.type !== "char" || entry.devMajor !== 0 || entry.devMinor !== 0) return false;
    this.#whiteouts.remove(parent, name);
    return true;
  }

  #deletedName(name: ByteString, entry: TarHeader): ByteString {
    const deleted = name.slice(WHITEOUT.length);
    if (deleted !== "" && deleted !== "." && deleted !== "..") return deleted;
    throw corruptArchive(this.#options.what, `the whiteout ${quoted(entry.path)} names no entry of its directory`);
  }

  async #place(parent: Held, name: ByteString, entry: TarEntry): Promise<void> {
    try {
      await this.#create(parent, name, entry);
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") throw error;
      this.#remove(parent, name);
      await this.#create(parent, name, entry);
    }
  }

  async #create(parent: Held, name: ByteString, entry: TarEntry): Promise<void> {
    const at = pathOfByteString(parent.entry(name));
    const place = this.#options;
    switch (entry.type) {
      case "file":
        return await placeFile(at, entry, place);
      case "directory":
        return this.#createDirectory(parent, name, entry);
      case "hardlink":
        return await this.#createLink(parent, name, entry);
      case "symlink":
      case "fifo":
        return placeNode(at, { ...entry, type: entry.type }, place);
      case "char":
      case "block":
        try {
          return placeNode(at, { ...entry, type: entry.type }, place);
        } catch (error) {
          if (errnoOf(error) !== "EPERM" || parent.find(name) !== undefined) throw error;
          if (this.#skipped.length < MOST_SKIPPED) this.#skipped.push(quoted(entry.path).slice(1, -1));
        }
    }
  }

  #createDirectory(parent: Held, name: ByteString, entry: TarEntry): void {
    const found = parent.find(name);
    if (found !== undefined && found.type !== "directory") {
      this.#remove(parent, name);
      // It stood for what is below the layer; a directory would let that be seen again.
      this.#whiteouts.remove(parent, name);
    }
    const at = pathOfByteString(parent.entry(name));
    if (found?.type === "directory" && this.#options.mode.kind !== "archive") dropXattrs(at, entry);
    placeDirectory(at, entry, this.#options);
    this.#times.set(joinBytes(parent.key, name), entry.mtime);
  }

  /** The link's header has the file's metadata, which are set (again). */
  async #createLink(parent: Held, name: ByteString, entry: TarEntry): Promise<void> {
    const target = await this.#linkTarget(entry);
    const at = parent.entry(name);
    if (target.key === joinBytes(parent.key, name)) return;
    placeLink(target.fullPath, at);
    const header: TarHeader = target.isSymlink ? { ...entry, type: "symlink" } : entry;
    setMetadata(pathOfByteString(at), header, this.#options);
    setTime(pathOfByteString(at), entry);
  }

  async #linkTarget({
    path,
    linkPath,
  }: TarEntry): Promise<{ key: ByteString; fullPath: ByteString; isSymlink: boolean }> {
    if (linkPath === "") throw this.#badLink(path, linkPath);
    const [directory, name] = splitPath(linkPath);
    this.#isLinking = true;
    const parent = this.#parents.at(directory);
    this.#isLinking = false;
    const key = joinBytes(parent.key, name);
    if (parent.find(name) === undefined && !this.#whiteouts.hides(key)) {
      using below = this.#lower?.find(key);
      if (below !== undefined && below.file.type !== "directory") {
        await copyUp(below.file, parent.entry(name), this.#options);
        this.#whiteouts.borrowed(key);
      }
    }
    const found = parent.find(name);
    if (found === undefined || found.type === "directory") throw this.#badLink(path, linkPath);
    return { key, fullPath: parent.entry(name), isSymlink: found.type === "symlink" };
  }

  #badLink(path: ByteString, linkPath: ByteString): VarveError {
    return corruptArchive(
      this.#options.what,
      `${quoted(path)} is a link to ${quoted(linkPath)}, which is no file there`,
    );
  }

  #remove(parent: Held, name: ByteString): void {
    const found = parent.find(name);
    if (found === undefined) return;
    rmSync(pathOfByteString(parent.entry(name)), { recursive: true, force: true });
    if (found.type === "directory" || found.type === "symlink") this.#parents.forget();
  }
}
