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

/** How something that an action makes looks. */
export interface Look {
  /** Permission bits. */
  readonly mode: number;
  /** The process's own if absent: root. */
  readonly owner?: UserId | undefined;
  /** Nanoseconds since 1970; now if absent. */
  readonly time?: bigint | undefined;
}

/** The tree that actions change. Paths that go in are resolved inside it; paths that come out hold no links. */
export class TargetTree implements Disposable {
  readonly #root: Root;

  constructor(path: string) {
    this.#root = Root.open(path);
  }

  /** The path of the tree itself, and the prefix of every path that comes out. It ends in "." because the rest is a link. */
  get prefix(): string {
    return `${this.#root.path}/.`;
  }

  /** Where `path` is, links replaced also in the end, whether or not there is anything. */
  locate(path: Path): Path {
    return this.absolute(this.#root.locate(path));
  }

  /** `path`, in which there are no links, with the prefix. */
  absolute(path: Path): Path {
    return path.length === 0 ? this.prefix : joinPath(this.prefix, path);
  }

  /**
   * Makes a directory, whose path came out of here, and those above it as needed, all of the same look; an existing one stays
   * as it is. Returns those made, topmost first. Throws ENOTDIR if something else is in the way.
   */
  makeDirectories(path: Path, look: Look): Path[] {
    const made: Path[] = [];
    const below = byteStringOf(path).slice(this.prefix.length);
    let at: Path = this.prefix;
    for (const name of below.split("/").filter((part) => part !== "")) {
      at = joinPath(at, pathOfByteString(name));
      const there = statOf(at);
      if (there === undefined) {
        mkdirSync(at);
        made.push(at);
        dress(at, look);
      } else if (!there.isDirectory()) throw systemError(Errno.ENOTDIR, "mkdir", at);
    }
    settle(made, look.time);
    return made;
  }

  /** The directory that holds `path`; the root's own is the root. */
  parentOf(path: Path): Path {
    const bytes = byteStringOf(path);
    return bytes === this.prefix ? path : pathOfByteString(bytes.slice(0, bytes.lastIndexOf("/")));
  }

  [Symbol.dispose](): void {
    this.#root[Symbol.dispose]();
  }
}

/** The time an action sets, or undefined. */
export function timeOf(timestamp: Timestamp): bigint | undefined {
  return timestamp === NO_TIMESTAMP ? undefined : timestamp;
}

/** Gives a new directory or file its look. */
export function dress(path: Path, { mode, owner, time }: Look): void {
  if (owner !== undefined) lchownSync(path, owner.uid, owner.gid);
  chmodSync(path, mode);
  if (time !== undefined) lutimes(path, { atime: time, mtime: time });
}

/** As `dress`, for a link or something that keeps its permissions. */
export function setOwnerAndTime(path: Path, { owner, time }: Omit<Look, "mode">): void {
  if (owner !== undefined) lchownSync(path, owner.uid, owner.gid);
  if (time !== undefined) lutimes(path, { atime: time, mtime: time });
}

/** Sets the times of directories again, lowest first, after what was made in them changed these. */
export function settle(made: readonly Path[], time: bigint | undefined): void {
  if (time === undefined) return;
  for (const path of made.toReversed()) lutimes(path, { atime: time, mtime: time });
}

/** The entry itself, or undefined. */
export function statOf(path: Path): Stats | undefined {
  try {
    return lstatSync(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}
