import { randomBytes } from "node:crypto";
import { closeSync, openSync, readdirSync, rmSync, statSync, statfsSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { allocate, makeDirectories } from "../linux/index.ts";
import { errnoOf } from "../core/index.ts";
import { spaceFailure } from "./errors.ts";

/** Bytes. */
const LEAST = 4 * 1_048_576;
const MOST = 64 * 1_048_576;
/** Maximum share of the filesystem that the reserve takes. */
const SHARE = 16;
/** The reserve is released in parts, so that most of it remains. A part also frees an inode. */
const PARTS = 8;
const BLOCK = 4096;
/** Free space that opening a database needs: its index in shared memory has 32 KiB, and its log begins. Bytes. */
const OPENING = 131_072;
/** Inodes that must stay free when the reserve creates files. */
const SPARE_INODES = 64;

/**
 * Space reserved for transactions that free space: files without content, which are removed when the disk is too full for such a
 * transaction. The reserve is as large as the database, because a transaction may rewrite all its pages, at least 4 MiB, and at most a
 * sixteenth of the filesystem. `fill` restores what was used.
 */
export class Reserve {
  readonly #directory: string;
  readonly #database: string;
  #whole = false;

  /** `directory` is created when there is space. */
  constructor(directory: string, database: string) {
    this.#directory = directory;
    this.#database = database;
  }

  /**
   * Releases a part if there is no space for the index of the log. SQLite maps that file without allocating it, and the kernel ends a process
   * that writes to a mapped file on a full disk (SIGBUS) instead of returning an error.
   */
  makeRoom(): void {
    if (!this.#canOpen()) this.#giveUp();
  }

  #canOpen(): boolean {
    const directory = dirname(this.#database);
    try {
      // Root has more space on some filesystems than they say: only an attempt tells.
      if (freeOf(directory).bytes >= OPENING) return true;
      const attempt = join(directory, `.room-${randomBytes(6).toString("hex")}`);
      takePart(attempt, OPENING);
      rmSync(attempt);
      return true;
    } catch (error) {
      return errnoOf(error) === "ENOENT";
    }
  }

  /** Runs `fn`, which frees space. While it fails for lack of space, releases a part of the reserve and retries. */
  lend<T>(work: () => T): T {
    for (;;) {
      try {
        return work();
      } catch (error) {
        if (!this.#isForSpace(error) || !this.#giveUp()) throw error;
      }
    }
  }

  /** Restores the missing part of the reserve, but never more than half of the free space. The rest waits for the next call. */
  fill(): void {
    if (this.#whole) return;
    try {
      makeDirectories(this.#directory, 0o700);
      const { target, part } = this.#sizes();
      for (let held = this.#held(); held < target; held += part) {
        if (!this.#hasSpare(part)) return;
        takePart(join(this.#directory, randomBytes(6).toString("hex")), part);
      }
      this.#whole = true;
    } catch {
      // Not an error: the store works without a reserve, but cannot free a full disk itself.
    }
  }

  /** Releases a part; returns false if none is left. */
  #giveUp(): boolean {
    this.#whole = false;
    try {
      const [name] = readdirSync(this.#directory);
      if (name === undefined) return false;
      rmSync(join(this.#directory, name));
      return true;
    } catch {
      return false;
    }
  }

  #held(): number {
    return readdirSync(this.#directory).reduce((sum, name) => sum + statSync(join(this.#directory, name)).size, 0);
  }

  #sizes(): { readonly target: number; readonly part: number } {
    const { blocks, bsize } = statfsSync(this.#directory);
    const wanted = Math.min(MOST, Math.max(LEAST, statSync(this.#database).size), (blocks * bsize) / SHARE);
    const part = Math.max(BLOCK, Math.floor(wanted / PARTS / BLOCK) * BLOCK);
    return { target: part * PARTS, part };
  }

  #hasSpare(part: number): boolean {
    const { bytes, inodes } = freeOf(this.#directory);
    return bytes >= 2 * part && inodes >= SPARE_INODES;
  }

  /** True if lack of space may be the cause. A file that could not be created does not tell. */
  #isForSpace(error: unknown): boolean {
    const failure = spaceFailure(error);
    if (failure !== "unopened") return failure === "full";
    const { bytes, inodes } = freeOf(dirname(this.#directory));
    return bytes < LEAST || inodes < SPARE_INODES;
  }
}

function freeOf(path: string): { readonly bytes: number; readonly inodes: number } {
  const { bavail, bsize, files, ffree } = statfsSync(path);
  // Some filesystems do not count inodes.
  return { bytes: bavail * bsize, inodes: files === 0 ? Infinity : ffree };
}

/** Creates a file that occupies this many bytes of the disk, also on filesystems that store empty or repeated blocks for free. */
function takePart(path: string, length: number): void {
  const fd = openSync(path, "wx", 0o600);
  try {
    if (!allocate(fd, length))
      for (let at = 0; at < length; at += BLOCK) writeSync(fd, randomBytes(BLOCK), 0, BLOCK, at);
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
}
