import type { BigIntStats } from "node:fs";
import { Errno, type Path, byteStringOf, joinPath, pathOfByteString, systemError } from "../linux/index.ts";
import type { Metadata } from "../snapshot/index.ts";
import type { UserId } from "./owner.ts";
import type { UnpackOptions } from "./unpack.ts";

/** Mode, owner and time of an entry that an action makes. */
export interface EntryAttributes {
  /** Permission bits. */
  readonly mode: number;
  /** Defaults to the process's own user. */
  readonly owner?: UserId | undefined;
  /** Nanoseconds since 1970. Defaults to now. */
  readonly time?: bigint | undefined;
}

/** Nanoseconds since 1970. */
export type Times = Pick<Metadata, "atime" | "mtime">;

/**
 * The tree that a copy changes: a directory (`TargetTree`), or the description of a layer (`DraftTarget`). Paths are those that
 * `locate` returns, or below such a path. They contain no symbolic links, except that the last component may be one.
 */
export interface CopyTarget {
  /** The path of the root. */
  readonly prefix: string;
  /** Resolves all symbolic links of `path`, including its last component. The entry need not exist. */
  locate(path: Path): Path;
  /** Returns the parent directory of `path`. The root's parent is the root. */
  parentOf(path: Path): Path;
  /** Returns whether an entry is a directory. Undefined if there is none. */
  isDirectory(path: Path): boolean | undefined;
  makeDirectory(path: Path): void;
  /** Creates an empty file in the place of a socket. */
  createEmpty(source: Path, path: Path, stat: BigIntStats): void;
  /** Creates a file, a link or a device like `source`, without its metadata. Returns a promise only for large files. */
  copyNode(source: Path, path: Path, stat: BigIntStats, signal: AbortSignal | undefined): Promise<void> | undefined;
  /** Makes a hard link. */
  link(first: Path, path: Path): void;
  unlink(path: Path): void;
  /** Removes an entry and everything below it. */
  remove(path: Path): Promise<void>;
  /** Unpacks an archive into a directory. Returns false, without any change, if the file is not an archive. */
  unpack(file: Path, directory: Path, options: UnpackOptions): Promise<boolean>;
  setMode(path: Path, mode: number): void;
  setTimes(path: Path, times: Times): void;
  /** Sets the attributes of a new entry. */
  setAttributes(path: Path, attributes: EntryAttributes): void;
  /** Sets the metadata of an entry, and the extended attributes of `source`. Links have no mode. */
  setMetadata(path: Path, metadata: Metadata, source: Path, isLink: boolean): void;
}

/**
 * Makes a directory and missing directories above it, all with the same attributes. Existing directories are not changed. Returns
 * the new ones, topmost first. Throws ENOTDIR for an existing entry of another kind.
 */
export function makeDirectories(target: CopyTarget, path: Path, attributes: EntryAttributes): Path[] {
  const made: Path[] = [];
  const below = byteStringOf(path).slice(target.prefix.length);
  let at: Path = target.prefix;
  for (const name of below.split("/").filter((part) => part !== "")) {
    at = joinPath(at, pathOfByteString(name));
    const isDirectory = target.isDirectory(at);
    if (isDirectory === undefined) {
      target.makeDirectory(at);
      made.push(at);
      target.setAttributes(at, attributes);
    } else if (!isDirectory) throw systemError(Errno.ENOTDIR, "mkdir", at);
  }
  restoreTimes(target, made, attributes.time);
  return made;
}

/** Sets the times of new directories again, lowest first, because creating entries in them changed the times. */
export function restoreTimes(target: CopyTarget, made: readonly Path[], time: bigint | undefined): void {
  if (time === undefined) return;
  for (const path of made.toReversed()) target.setTimes(path, { atime: time, mtime: time });
}
