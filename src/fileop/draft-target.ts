import type { BigIntStats } from "node:fs";
import { VarveError } from "../core/index.ts";
import { type Draft, DraftTree, isArchive } from "../layer/index.ts";
import { type ByteString, type Path, Root, byteStringOf, pathOfByteString } from "../linux/index.ts";
import { cleanPath } from "../pattern/index.ts";
import type { Metadata } from "../snapshot/index.ts";
import type { CopyTarget, EntryAttributes, Times } from "./copy-target.ts";
import type { UnpackOptions } from "./unpack.ts";

/** Throws the error for what cannot be described. The caller makes the changes in a directory instead. */
function cannotDescribe(what: string): VarveError {
  return new VarveError("unsupported", `Cannot describe a layer: ${what}`);
}

/** Records what a copy would change of a tree, and changes nothing. The tree and the sources must stay as they are. */
export class DraftTarget implements CopyTarget, Disposable {
  readonly prefix = "";
  readonly #root: Root | undefined;
  readonly #tree: DraftTree;
  /** Symbolic links that the copy makes. */
  readonly #links = new Set<ByteString>();
  /** The copy replaces a symbolic link of the lower tree. */
  #replacesLink = false;
  #left: number;

  /** `lower` is the tree that is changed. Without it, the tree is empty. At most `most` files are described. */
  constructor(lower: string | undefined, most: number = Number.POSITIVE_INFINITY) {
    this.#left = most;
    this.#root = lower === undefined ? undefined : Root.open(lower);
    this.#tree = new DraftTree(this.#root && `${this.#root.path}/.`);
  }

  /** Returns the description. It is valid until this is disposed of. */
  draft(): Draft {
    return this.#tree.draft();
  }

  /** The kernel resolves the path in the lower tree. Throws `unsupported` if links that are only described may matter. */
  locate(path: Path): Path {
    const clean = cleanPath(`/${byteStringOf(path)}`).slice(1);
    const found = this.#root === undefined ? clean : byteStringOf(this.#root.locate(path));
    const followed = found !== clean;
    const passes = [...this.#links].some((link) => found === link || found.startsWith(`${link}/`));
    if (this.#replacesLink || passes || (followed && this.#links.size > 0))
      throw cannotDescribe("it resolves a path through a link of its own");
    return found === "" ? "" : pathOfByteString(`/${found}`);
  }

  parentOf(path: Path): Path {
    const bytes = byteStringOf(path);
    return pathOfByteString(bytes.slice(0, Math.max(0, bytes.lastIndexOf("/"))));
  }

  isDirectory(path: Path): boolean | undefined {
    const type = this.#tree.typeOf(relative(path));
    return type === undefined ? undefined : type === "directory";
  }

  makeDirectory(path: Path): void {
    this.#tree.makeDirectory(relative(path));
  }

  createEmpty(source: Path, path: Path, stats: BigIntStats): void {
    this.#tree.create(relative(path), { type: "file", path: byteStringOf(source), stats, size: 0n });
  }

  copyNode(source: Path, path: Path, stats: BigIntStats): undefined {
    const type = typeOf(stats);
    const target = relative(path);
    this.#left -= 1;
    if (this.#left < 0) throw cannotDescribe("it has too many files");
    if (type === "symlink") this.#links.add(target);
    if (type === "char" && stats.rdev === 0n) throw cannotDescribe("it copies a device that marks a deletion");
    this.#tree.create(target, { type, path: byteStringOf(source), stats });
  }

  link(first: Path, path: Path): void {
    if (this.#tree.typeOf(relative(first)) === "symlink") this.#links.add(relative(path));
    this.#tree.link(relative(first), relative(path));
  }

  unlink(path: Path): void {
    const target = relative(path);
    if (this.#tree.typeOf(target) === "symlink") this.#replacesLink = true;
    this.#tree.remove(target);
  }

  remove(path: Path): Promise<void> {
    this.unlink(path);
    return Promise.resolve();
  }

  /** Throws `unsupported` for an archive. */
  async unpack(file: Path, _directory: Path, { what }: UnpackOptions): Promise<boolean> {
    if (await isArchive(file, what)) throw cannotDescribe("it unpacks an archive");
    return false;
  }

  setMode(path: Path, mode: number): void {
    this.#tree.change(relative(path), { mode });
  }

  setTimes(path: Path, { mtime }: Times): void {
    this.#tree.change(relative(path), { mtime });
  }

  setAttributes(path: Path, { mode, owner, time: mtime }: EntryAttributes): void {
    this.#tree.change(relative(path), { mode, ...owner, ...(mtime === undefined ? {} : { mtime }) });
  }

  setMetadata(path: Path, { uid, gid, mode, mtime }: Metadata, source: Path, isLink: boolean): void {
    this.#tree.change(relative(path), { uid, gid, mtime, ...(isLink ? {} : { mode }) }, byteStringOf(source));
  }

  [Symbol.dispose](): void {
    this.#root?.[Symbol.dispose]();
  }
}

function relative(path: Path): ByteString {
  return byteStringOf(path).slice(1);
}

function typeOf(stats: BigIntStats): "file" | "symlink" | "char" | "block" | "fifo" {
  if (stats.isFile()) return "file";
  if (stats.isSymbolicLink()) return "symlink";
  if (stats.isFIFO()) return "fifo";
  return stats.isBlockDevice() ? "block" : "char";
}
