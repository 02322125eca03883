import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  rmdirSync,
  statSync,
  unlinkSync,
} from "node:fs";
import { posix } from "node:path";
import { errnoOf } from "../../core/index.ts";
import { lutimes, type Path, type Root } from "../../linux/index.ts";

interface Stub {
  readonly path: string;
  readonly inode: bigint;
}

export interface StubOptions {
  readonly kind: "directory" | "file";
  /** Of the last component; the directories above it get 0755. */
  readonly mode?: number | undefined;
}

/**
 * Mount points made in a root filesystem for the length of a step. When disposed of, those that are still what was made, and
 * empty, go; the times of the directories that hold them stay as if nothing had been.
 */
export class MountStubs implements Disposable {
  readonly #root: Root;
  readonly #made: Stub[] = [];

  constructor(root: Root) {
    this.#root = root;
  }

  /** Makes `path`, of which everything from `missing` downwards does not exist. Both are absolute and free of links. */
  make(path: string, missing: string, { kind, mode = 0o755 }: StubOptions): void {
    for (let here = missing; ; here = posix.join(here, path.slice(here.length).split("/").find(Boolean) ?? "")) {
      const last = here === path;
      const directory = !last || kind === "directory";
      this.#made.push({ path: here, inode: makeEntry(this.#root, here, directory, last ? mode : 0o755) });
      if (last) return;
    }
  }

  [Symbol.dispose](): void {
    for (const stub of this.#made.toReversed()) this.#remove(stub);
    this.#made.length = 0;
  }

  #remove(stub: Stub): void {
    try {
      keepingTimes(this.#root, stub.path, (entry) => removeEmpty(entry, stub.inode));
    } catch (error) {
      // The step has taken its place away, or filled it.
      if (!KEPT.has(errnoOf(error) ?? "")) throw error;
    }
  }
}

const KEPT = new Set(["ENOENT", "ENOTDIR", "ENOTEMPTY", "EEXIST", "EBUSY", "ELOOP"]);

/** Makes directories for good, owned by a user of the step: `path` and what is missing above it, as in `MountStubs.make`. */
export function makeDirectories(root: Root, path: string, missing: string, owner: { uid: number; gid: number }): void {
  for (let here = missing; ; here = posix.join(here, path.slice(here.length).split("/").find(Boolean) ?? "")) {
    using parent = root.openParent(here);
    mkdirSync(parent.entry, 0o755);
    const fd = openSync(parent.entry, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    try {
      fchmodSync(fd, 0o755);
      fchownSync(fd, owner.uid, owner.gid);
    } finally {
      closeSync(fd);
    }
    if (here === path) return;
  }
}

function makeEntry(root: Root, path: string, directory: boolean, mode: number): bigint {
  return keepingTimes(root, path, (entry) => {
    if (directory) mkdirSync(entry, mode);
    const create = constants.O_CREAT | constants.O_EXCL;
    const flags = directory ? constants.O_DIRECTORY : create;
    const fd = openSync(entry, constants.O_RDONLY | constants.O_NOFOLLOW | flags, mode);
    try {
      // The umask of this process is no concern of the image's.
      fchmodSync(fd, mode);
    } finally {
      closeSync(fd);
    }
    return lstatSync(entry, { bigint: true }).ino;
  });
}

function removeEmpty(entry: Path, inode: bigint): void {
  const status = lstatSync(entry, { bigint: true });
  if (status.ino !== inode) return;
  if (status.isDirectory()) rmdirSync(entry);
  else if (status.size === 0n) unlinkSync(entry);
}

/** Does something with an entry, and gives the directory that holds it the modification time back that it had. */
function keepingTimes<T>(root: Root, path: string, work: (entry: Path) => T): T {
  using parent = root.openParent(path);
  const directory = `${parent.path}/.`;
  const { mtimeNs } = statSync(directory, { bigint: true });
  const result = work(parent.entry);
  lutimes(directory, { atime: "omit", mtime: mtimeNs });
  return result;
}
