import { chmodSync, lchownSync, lstatSync, mkdirSync, type Stats } from "node:fs";
import { errnoOf } from "../core/index.ts";
import {
  Errno,
  type Path,
  Root,
  byteStringOf,
  joinPath,
  lutimes,
  pathOfByteString,
  systemError,
} from "../linux/index.ts";
import { NO_TIMESTAMP, type Timestamp } from "../llb/index.ts";
import type { UserId } from "./owner.ts";

/** Mode, owner and time of an entry that an action makes. */
export interface EntryAttributes {
  /** Permission bits. */
  readonly mode: number;
  /** Defaults to the process's own user. */
  readonly owner?: UserId | undefined;
  /** Nanoseconds since 1970. Defaults to now. */
  readonly time?: bigint | undefined;
}

/** The tree that actions change. Its methods resolve paths inside it and return paths without symbolic links. */
export class TargetTree implements Disposable {
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

  /**
   * Makes a directory and missing directories above it, all with the same attributes. `path` comes from `locate`. Existing
   * directories are not changed. Returns the new ones, topmost first. Throws ENOTDIR for an existing entry of another kind.
   */
  makeDirectories(path: Path, attributes: EntryAttributes): Path[] {
    const made: Path[] = [];
    const below = byteStringOf(path).slice(this.prefix.length);
    let at: Path = this.prefix;
    for (const name of below.split("/").filter((part) => part !== "")) {
      at = joinPath(at, pathOfByteString(name));
      const existing = statOf(at);
      if (existing === undefined) {
        mkdirSync(at);
        made.push(at);
        setAttributes(at, attributes);
      } else if (!existing.isDirectory()) throw systemError(Errno.ENOTDIR, "mkdir", at);
    }
    restoreTimes(made, attributes.time);
    return made;
  }

  /** Returns the parent directory of `path`. The root's parent is the root. */
  parentOf(path: Path): Path {
    const bytes = byteStringOf(path);
    return bytes === this.prefix ? path : pathOfByteString(bytes.slice(0, bytes.lastIndexOf("/")));
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
  if (owner !== undefined) lchownSync(path, owner.uid, owner.gid);
  chmodSync(path, mode);
  if (time !== undefined) lutimes(path, { atime: time, mtime: time });
}

/** Sets owner and time of a symbolic link, or of an entry that keeps its permissions. */
export function setOwnerAndTime(path: Path, { owner, time }: Omit<EntryAttributes, "mode">): void {
  if (owner !== undefined) lchownSync(path, owner.uid, owner.gid);
  if (time !== undefined) lutimes(path, { atime: time, mtime: time });
}

/** Sets the times of new directories again, lowest first, because creating entries in them changed the times. */
export function restoreTimes(made: readonly Path[], time: bigint | undefined): void {
  if (time === undefined) return;
  for (const path of made.toReversed()) lutimes(path, { atime: time, mtime: time });
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
