import {
  closeSync,
  constants,
  fchmodSync,
  lstatSync,
  mkdirSync,
  openSync,
  rmdirSync,
  statSync,
  unlinkSync,
} from "node:fs";
import { posix } from "node:path";
import { errnoOf } from "../../core/index.ts";
import { lutimes, type Path, type Root, setOpenOwner } from "../../linux/index.ts";

interface Stub {
  readonly path: string;
  readonly inode: bigint;
}

export interface StubOptions {
  readonly kind: "directory" | "file";
  /** Mode of the last component. Directories above it get 0755. */
  readonly mode?: number | undefined;
}

/**
 * Mount points that are created in a root filesystem for one step. Disposal removes those that are still the same inode and
 * empty. The modification times of their parent directories are preserved.
 */
export class MountStubs implements Disposable {
  readonly #root: Root;
  readonly #keepParents: boolean;
  readonly #made: Stub[] = [];

  /** With `keepParents`, directories that were created above a mount point stay. */
  constructor(root: Root, keepParents = false) {
    this.#root = root;
    this.#keepParents = keepParents;
  }

  /** Creates `missing` and everything below it down to `path`. Both are absolute and contain no symbolic links. */
  make(path: string, missing: string, { kind, mode = 0o755 }: StubOptions): void {
    for (const here of pathsDown(missing, path)) {
      const last = here === path;
      const directory = !last || kind === "directory";
      const inode = makeEntry(this.#root, here, directory, last ? mode : 0o755);
      if (last || !this.#keepParents) this.#made.push({ path: here, inode });
    }
  }

  [Symbol.dispose](): void {
    for (const stub of this.#made.toReversed()) this.#remove(stub);
    this.#made.length = 0;
  }

  #remove(stub: Stub): void {
    try {
      preservingTimes(this.#root, stub.path, (entry) => removeEmpty(entry, stub.inode));
    } catch (error) {
      if (!CHANGED_BY_STEP.has(errnoOf(error) ?? "")) throw error;
    }
  }
}

/** Errors of removing a mount point that the step has removed, replaced or filled. */
const CHANGED_BY_STEP = new Set(["ENOENT", "ENOTDIR", "ENOTEMPTY", "EEXIST", "EBUSY", "ELOOP"]);

/** Returns `first`, each directory below it on the way to `last`, and `last`. */
function pathsDown(first: string, last: string): string[] {
  const below = last.slice(first.length).split("/").filter(Boolean);
  return [first, ...below.map((_, index) => posix.join(first, ...below.slice(0, index + 1)))];
}

/** Creates `missing` and the directories below it down to `path`, with `owner`. They stay after the step. */
export function makeDirectories(root: Root, path: string, missing: string, owner: { uid: number; gid: number }): void {
  for (const here of pathsDown(missing, path)) {
    using parent = root.openParent(here);
    mkdirSync(parent.entry, 0o755);
    const fd = openSync(parent.entry, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    try {
      fchmodSync(fd, 0o755);
      setOpenOwner(fd, owner.uid, owner.gid);
    } finally {
      closeSync(fd);
    }
  }
}

function makeEntry(root: Root, path: string, directory: boolean, mode: number): bigint {
  return preservingTimes(root, path, (entry) => {
    if (directory) mkdirSync(entry, mode);
    const create = constants.O_CREAT | constants.O_EXCL;
    const flags = directory ? constants.O_DIRECTORY : create;
    const fd = openSync(entry, constants.O_RDONLY | constants.O_NOFOLLOW | flags, mode);
    try {
      // This process's umask must not change the mode.
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

/** Runs `work` on an entry, then restores the modification time of its parent directory. */
export function preservingTimes<T>(root: Root, path: string, work: (entry: Path) => T): T {
  using parent = root.openParent(path);
  const directory = `${parent.path}/.`;
  const { mtimeNs } = statSync(directory, { bigint: true });
  const result = work(parent.entry);
  lutimes(directory, { atime: "omit", mtime: mtimeNs });
  return result;
}
