import {
  type BigIntStats,
  chmodSync,
  closeSync,
  constants,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  type Stats,
  unlinkSync,
} from "node:fs";
import { errnoOf } from "../core/index.ts";
import { type Path, Root, byteStringOf, joinPath, lutimes, pathOfByteString, setOwner } from "../linux/index.ts";
import { NO_TIMESTAMP, type Timestamp } from "../llb/index.ts";
import { type Metadata, copyNode, removeTree, setMetadata } from "../snapshot/index.ts";
import type { CopyTarget, EntryAttributes, Times } from "./copy-target.ts";
import { type UnpackOptions, unpack } from "./unpack.ts";

/** The tree that actions change: a directory. Its methods resolve paths inside it and return paths without symbolic links. */
export class TargetTree implements CopyTarget, Disposable {
  readonly #root: Root;

  constructor(path: string) {
    this.#root = Root.open(path);
  }

  /** The path of the tree and the prefix of every returned path. It ends in "." because the part before is a symbolic link. */
  get prefix(): string {
    return `${this.#root.path}/.`;
  }

  /** Resolves all symbolic links of `path`, including its last component. The entry need not exist. */
  locate(path: Path): Path {
    return this.absolute(this.#root.locate(path));
  }

  /** Adds the prefix to `path`, which must contain no symbolic links. */
  absolute(path: Path): Path {
    return path.length === 0 ? this.prefix : joinPath(this.prefix, path);
  }

  /** Returns the parent directory of `path`. The root's parent is the root. */
  parentOf(path: Path): Path {
    const bytes = byteStringOf(path);
    return bytes === this.prefix ? path : pathOfByteString(bytes.slice(0, bytes.lastIndexOf("/")));
  }

  isDirectory(path: Path): boolean | undefined {
    return statOf(path)?.isDirectory();
  }

  makeDirectory(path: Path): void {
    mkdirSync(path, 0o700);
  }

  createEmpty(_source: Path, path: Path): void {
    closeSync(openSync(path, constants.O_CREAT | constants.O_EXCL, 0o600));
  }

  copyNode(source: Path, path: Path, stat: BigIntStats, signal: AbortSignal | undefined): Promise<void> | undefined {
    return copyNode(source, path, stat, signal);
  }

  link(first: Path, path: Path): void {
    linkSync(first, path);
  }

  unlink(path: Path): void {
    unlinkSync(path);
  }

  async remove(path: Path): Promise<void> {
    await removeTree(path);
  }

  async unpack(file: Path, directory: Path, options: UnpackOptions): Promise<boolean> {
    return await unpack(file, directory, options);
  }

  setMode(path: Path, mode: number): void {
    chmodSync(path, mode);
  }

  setTimes(path: Path, times: Times): void {
    lutimes(path, times);
  }

  setAttributes(path: Path, attributes: EntryAttributes): void {
    setAttributes(path, attributes);
  }

  setMetadata(path: Path, metadata: Metadata, source: Path, isLink: boolean): void {
    setMetadata(path, metadata, { isLink, attributesOf: source });
  }

  [Symbol.dispose](): void {
    this.#root[Symbol.dispose]();
  }
}

/** Returns the time that an action sets, or undefined. */
export function timeOf(timestamp: Timestamp): bigint | undefined {
  return timestamp === NO_TIMESTAMP ? undefined : timestamp;
}

/** Sets the attributes of a new directory or file. */
export function setAttributes(path: Path, { mode, owner, time }: EntryAttributes): void {
  if (owner !== undefined) setOwner(path, owner.uid, owner.gid);
  chmodSync(path, mode);
  if (time !== undefined) lutimes(path, { atime: time, mtime: time });
}

/** Sets owner and time of a symbolic link, or of an entry that keeps its permissions. */
export function setOwnerAndTime(path: Path, { owner, time }: Omit<EntryAttributes, "mode">): void {
  if (owner !== undefined) setOwner(path, owner.uid, owner.gid);
  if (time !== undefined) lutimes(path, { atime: time, mtime: time });
}

/** Returns the status of an entry without following links, or undefined if it does not exist. */
export function statOf(path: Path): Stats | undefined {
  try {
    return lstatSync(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}
