import { randomBytes } from "node:crypto";
import { closeSync, openSync, readdirSync, rmSync, statSync, statfsSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { allocate, makeDirectories } from "../linux/index.ts";
import { spaceFailure } from "./errors.ts";

/** Bytes. */
const LEAST = 4 * 1_048_576;
const MOST = 64 * 1_048_576;
/** The reserve takes at most this part of its filesystem. */
const SHARE = 16;
/** It is given up part by part, so that most of it is left for the next time. A part frees an inode, too. */
const PARTS = 8;
const BLOCK = 4096;
/** Inodes that stay free when the reserve takes some. */
const SPARE_INODES = 64;

/**
 * Space of a filesystem that is kept for what frees space: files that hold nothing, and that are removed when a full disk
 * would keep such a transaction from being written. It is as large as the database, since a transaction may write all pages of
 * it anew, and at least 4 MiB; on a small filesystem a sixteenth of it. `fill` makes up for what was used.
 */
export class Reserve {
  readonly #directory: string;
  readonly #database: string;
  #whole = false;

  /** `directory` is made when there is space. */
  constructor(directory: string, database: string) {
    this.#directory = directory;
    this.#database = database;
  }

  /** Does what frees space, again and again as long as it fails for want of space and the reserve has some. */
  lend<T>(work: () => T): T {
    for (;;) {
      try {
        return work();
      } catch (error) {
        if (!this.#isForSpace(error) || !this.#giveUp()) throw error;
      }
    }
  }

  /** Takes back what is missing, but never more than half of what is free. What cannot be had is left for another time. */
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
      // Without a reserve, a full disk has to be freed by other means.
    }
  }

  /** Gives a part back to the filesystem; false if none is left. */
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

  /** Whether space may be what was missing. A file that could not be made says no more than that. */
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

/** Makes a file that takes this many bytes of the disk, also where empty or repeated blocks would take none. */
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
