import { readlinkSync } from "node:fs";
import { errnoOf, throwIfAborted, VarveError, type Digest } from "../core/index.ts";
import { pathOfByteString, type ByteString } from "../linux/index.ts";
import { textOf } from "./bytes.ts";
import { statEntry, wallClock, type FileStat } from "./file-stat.ts";
import { hashEntry, hashEntryNow, isSmall, type Owner } from "./hash-entry.ts";
import type { NodeKind, TreeNode } from "./types.ts";

const ATTEMPTS = 3;

/** Shown when a file cannot be looked at. */
export function unreadable(path: ByteString, cause: unknown): VarveError {
  const state = errnoOf(cause) === "EACCES" || errnoOf(cause) === "EPERM" ? "permission denied" : String(cause);
  return new VarveError("invalid-build", `Cannot read ${textOf(path)}: ${state}`, { cause });
}

/** One entry of a directory tree on disk. */
export abstract class DiskNode implements TreeNode {
  /** Absolute. */
  readonly path: ByteString;
  readonly linkname: ByteString;
  #stat: FileStat;
  #digest: Digest | undefined;

  constructor(path: ByteString, stat: FileStat, digest?: Digest) {
    this.path = path;
    this.#stat = stat;
    this.#digest = digest;
    this.linkname = stat.kind === "symlink" ? readLink(path) : "";
  }

  get kind(): NodeKind {
    return this.#stat.kind;
  }

  /** What the entry was when its digest was found, or when it was seen first. */
  get stat(): FileStat {
    return this.#stat;
  }

  get digest(): Digest | undefined {
    return this.#digest;
  }

  abstract entries(): ReadonlyMap<ByteString, DiskNode>;

  /** The owner that counts. */
  protected abstract ownerOf(stat: FileStat): Owner;

  /** Called with the time, in nanoseconds since 1970, before which nothing of the entry was read. */
  protected hashed(_readAt: bigint): void {}

  hashNow(): boolean {
    const stat = this.#stat;
    if (!isSmall(stat)) return false;
    const readAt = wallClock();
    try {
      return this.#settle(hashEntryNow(this.#entry(stat)), stat, readAt);
    } catch (error) {
      throw unreadable(this.path, error);
    }
  }

  async hash(signal?: AbortSignal): Promise<void> {
    try {
      await this.#hash(signal);
    } catch (error) {
      if (error instanceof VarveError) throw error;
      throw unreadable(this.path, error);
    }
  }

  #entry(stat: FileStat): Parameters<typeof hashEntry>[0] {
    return { path: this.path, stat, linkname: this.linkname, owner: this.ownerOf(stat) };
  }

  /** Takes a digest if it was found for the entry in the state `stat`. */
  #settle(digest: Digest | undefined, stat: FileStat, readAt: bigint): boolean {
    if (digest === undefined) return false;
    this.#stat = stat;
    this.#digest = digest;
    this.hashed(readAt);
    return true;
  }

  async #hash(signal: AbortSignal | undefined): Promise<void> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      throwIfAborted(signal, "checksum files");
      const readAt = wallClock();
      const stat = attempt === 0 ? this.#stat : statEntry(this.path);
      // A link that has changed may say something else now.
      if (stat?.kind !== this.#stat.kind || (attempt > 0 && stat.kind === "symlink")) break;
      if (this.#settle(await hashEntry(this.#entry(stat), signal), stat, readAt)) return;
    }
    throw new VarveError("busy", `Cannot checksum ${textOf(this.path)}: it changes while it is read`, {
      hint: "Exclude files that are written during the build with an ignore file.",
    });
  }
}

function readLink(path: ByteString): ByteString {
  return readlinkSync(pathOfByteString(path), { encoding: "latin1" });
}
