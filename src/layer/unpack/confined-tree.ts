import { closeSync, constants, readlinkSync } from "node:fs";
import { errnoOf, VarveError } from "../../core/index.ts";
import { type ByteString, type Path, pathOfByteString, Root } from "../../linux/index.ts";
import { quoted } from "../tar/format.ts";
import { findFile, joinBytes, type TreeFile } from "../diff/tree.ts";

const DIRECTORY = 0x20_0000 | constants.O_DIRECTORY;

/** An open directory of a tree. It is the same directory even if another one takes its path. */
export class OpenDirectory implements Disposable {
  readonly fd: number;
  /** Path from the root of the tree, with all symbolic links resolved. */
  readonly path: ByteString;
  readonly #close: () => void;

  constructor(fd: number, path: ByteString, close: () => void) {
    this.fd = fd;
    this.path = path;
    this.#close = close;
  }

  /** Returns a path of an entry for file operations. It is valid as long as the directory is open. */
  entry(name: ByteString): ByteString {
    return `/proc/self/fd/${this.fd}/${name}`;
  }

  /** Returns an entry, without following a symbolic link. Undefined if it does not exist. */
  find(name: ByteString): TreeFile | undefined {
    return findFile(this.entry(name), joinBytes(this.path, name));
  }

  [Symbol.dispose](): void {
    this.#close();
  }
}

/** A file of a tree. Its `fullPath` is valid until the object is disposed of, because its directory is open until then. */
export interface FoundFile extends Disposable {
  readonly file: TreeFile;
}

/** Splits a path into its directory ("" is the root) and its last component. */
export function splitPath(path: ByteString): [directory: ByteString, name: ByteString] {
  const slash = path.lastIndexOf("/");
  return [path.slice(0, Math.max(0, slash)), path.slice(slash + 1)];
}

/** A directory tree. The kernel resolves all paths, and no path leads out of the tree. */
export class ConfinedTree implements Disposable {
  readonly #root: Root;
  readonly #base: ByteString;

  constructor(directory: Path) {
    this.#root = Root.open(directory);
    const base = readlinkSync(this.#root.path, { encoding: "latin1" });
    this.#base = base === "/" ? "/" : `${base}/`;
  }

  /** Opens a directory ("" is the root). Follows symbolic links inside the tree. Throws ENOENT, ENOTDIR or ELOOP. */
  open(path: ByteString): OpenDirectory {
    const fd = this.#root.openFile(path === "" ? "." : pathOfByteString(path), DIRECTORY);
    try {
      return new OpenDirectory(fd, this.#pathOf(fd), () => closeSync(fd));
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** Like `open`, but returns undefined if there is no such directory. */
  tryOpen(path: ByteString): OpenDirectory | undefined {
    try {
      return this.open(path);
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === "ENOENT" || errno === "ENOTDIR" || errno === "ELOOP") return undefined;
      throw error;
    }
  }

  /** Returns a file. Undefined if it does not exist, or if a directory of its path is a symbolic link. */
  find(path: ByteString): FoundFile | undefined {
    const [directory, name] = splitPath(path);
    const parent = this.tryOpen(directory);
    const file = parent?.path === directory ? parent.find(name) : undefined;
    if (parent !== undefined && file !== undefined) return { file, [Symbol.dispose]: () => parent[Symbol.dispose]() };
    parent?.[Symbol.dispose]();
    return undefined;
  }

  [Symbol.dispose](): void {
    this.#root[Symbol.dispose]();
  }

  #pathOf(fd: number): ByteString {
    const full = readlinkSync(`/proc/self/fd/${fd}`, { encoding: "latin1" });
    if (full.startsWith(this.#base)) return full.slice(this.#base.length);
    if (`${full}/` === this.#base) return "";
    throw new VarveError("internal", `Cannot locate a directory: ${quoted(full)} is not in ${quoted(this.#base)}`);
  }
}
