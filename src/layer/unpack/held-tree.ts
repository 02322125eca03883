import { closeSync, constants, readlinkSync } from "node:fs";
import { errnoOf, VarveError } from "../../core/index.ts";
import { type ByteString, type Path, pathOfByteString, Root } from "../../linux/index.ts";
import { quoted } from "../tar/format.ts";
import { findFile, joinBytes, type TreeFile } from "../diff/tree.ts";

const DIRECTORY = 0x20_0000 | constants.O_DIRECTORY;

/** A directory held open, by its path from the root with every link resolved. */
export class Held implements Disposable {
  readonly fd: number;
  readonly key: ByteString;
  readonly #close: () => void;

  constructor(fd: number, key: ByteString, close: () => void) {
    this.fd = fd;
    this.key = key;
    this.#close = close;
  }

  /** A path of an entry that is good for any file operation, as long as the directory is held. */
  entry(name: ByteString): ByteString {
    return `/proc/self/fd/${this.fd}/${name}`;
  }

  /** The entry itself, or undefined if there is none. */
  find(name: ByteString): TreeFile | undefined {
    return findFile(this.entry(name), joinBytes(this.key, name));
  }

  [Symbol.dispose](): void {
    this.#close();
  }
}

export interface HeldFile extends Disposable {
  readonly file: TreeFile;
}

/** The directory and the last component of a path; "" is the root. */
export function splitPath(path: ByteString): [directory: ByteString, name: ByteString] {
  const slash = path.lastIndexOf("/");
  return [path.slice(0, Math.max(0, slash)), path.slice(slash + 1)];
}

/** A tree whose paths are resolved by the kernel and cannot lead out of it. */
export class Tree implements Disposable {
  readonly #root: Root;
  readonly #base: ByteString;

  constructor(directory: Path) {
    this.#root = Root.open(directory);
    const base = readlinkSync(this.#root.path, { encoding: "latin1" });
    this.#base = base === "/" ? "/" : `${base}/`;
  }

  /** Holds a directory open, following links inside the tree; throws ENOENT, ENOTDIR, ELOOP. "" is the root. */
  hold(path: ByteString): Held {
    const fd = this.#root.openFile(path === "" ? "." : pathOfByteString(path), DIRECTORY);
    try {
      return new Held(fd, this.#keyOf(fd), () => closeSync(fd));
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** As `hold`, or undefined where there is no such directory. */
  holdIfThere(path: ByteString): Held | undefined {
    try {
      return this.hold(path);
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === "ENOENT" || errno === "ENOTDIR" || errno === "ELOOP") return undefined;
      throw error;
    }
  }

  /** The entry itself; undefined if there is none, or if a link stands in the path. Its `fullPath` is good while it is held. */
  find(path: ByteString): HeldFile | undefined {
    const [directory, name] = splitPath(path);
    const parent = this.holdIfThere(directory);
    const file = parent?.key === directory ? parent.find(name) : undefined;
    if (parent !== undefined && file !== undefined) return { file, [Symbol.dispose]: () => parent[Symbol.dispose]() };
    parent?.[Symbol.dispose]();
    return undefined;
  }

  [Symbol.dispose](): void {
    this.#root[Symbol.dispose]();
  }

  #keyOf(fd: number): ByteString {
    const full = readlinkSync(`/proc/self/fd/${fd}`, { encoding: "latin1" });
    if (full.startsWith(this.#base)) return full.slice(this.#base.length);
    if (`${full}/` === this.#base) return "";
    throw new VarveError("internal", `Cannot locate a directory: ${quoted(full)} is not in ${quoted(this.#base)}`);
  }
}
