import { readlinkSync } from "node:fs";
import { errnoOf, throwIfAborted, VarveError, type Digest } from "../core/index.ts";
import { pathOfByteString, type ByteString } from "../linux/index.ts";
import { utf8Of } from "./bytes.ts";
import { statEntry, wallClock, type FileStat } from "./file-stat.ts";
import { hashEntry, hashEntrySync, headerOf, isSmall, readXattrs, type Entry, type Owner } from "./hash-entry.ts";
import type { Header, NodeKind, Xattr } from "./header.ts";
import type { TreeNode } from "./types.ts";

/** How often a file that changes while it is read is hashed before it is an error. */
const ATTEMPTS = 3;

/** Returns the error for a file or directory that cannot be read. */
export function readError(path: ByteString, cause: unknown): VarveError {
  const state = errnoOf(cause) === "EACCES" || errnoOf(cause) === "EPERM" ? "permission denied" : String(cause);
  return new VarveError("invalid-build", `Cannot read ${utf8Of(path)}: ${state}`, { cause });
}

/** An entry of a directory tree on disk. */
export abstract class DiskNode implements TreeNode {
  /** The absolute path. */
  readonly path: ByteString;
  readonly linkname: ByteString;
  #stat: FileStat;
  #digest: Digest | undefined;
  /** The extended attributes, if they were read. */
  #xattrs: readonly Xattr[] | undefined;

  constructor(path: ByteString, stat: FileStat, digest?: Digest) {
    this.path = path;
    this.#stat = stat;
    this.#digest = digest;
    this.linkname = stat.kind === "symlink" ? readLink(path) : "";
  }

  get kind(): NodeKind {
    return this.#stat.kind;
  }

  /** The metadata of the entry when its digest was computed, or when the node was created. */
  get stat(): FileStat {
    return this.#stat;
  }

  get digest(): Digest | undefined {
    return this.#digest;
  }

  abstract entries(): ReadonlyMap<ByteString, DiskNode>;

  header(): Header {
    this.#xattrs ??= readXattrs(this.path);
    return headerOf({
      stat: this.#stat,
      linkname: this.linkname,
      owner: this.ownerOf(this.#stat),
      mode: this.modeOf(this.#stat),
      xattrs: this.#xattrs,
    });
  }

  /** Returns the owner that the checksum covers. */
  protected abstract ownerOf(stat: FileStat): Owner;

  /** Returns the permission bits that the checksum covers. */
  protected modeOf({ mode }: FileStat): number {
    return mode & 0o7777;
  }

  /** Called when the digest was computed. Reading the entry began at `readAt`, in nanoseconds since 1970. */
  protected hashed(_readAt: bigint): void {}

  hashSync(): boolean {
    const stat = this.#stat;
    if (!isSmall(stat)) return false;
    const readAt = wallClock();
    try {
      return this.#setDigest(hashEntrySync(this.#entry(stat)), stat, readAt);
    } catch (error) {
      throw readError(this.path, error);
    }
  }

  async hash(signal?: AbortSignal): Promise<void> {
    try {
      await this.#hash(signal);
    } catch (error) {
      if (error instanceof VarveError) throw error;
      throw readError(this.path, error);
    }
  }

  #entry(stat: FileStat): Entry {
    this.#xattrs = readXattrs(this.path);
    const [owner, mode] = [this.ownerOf(stat), this.modeOf(stat)];
    return { path: this.path, stat, linkname: this.linkname, owner, mode, xattrs: this.#xattrs };
  }

  /** Stores the digest of the entry in the state `stat`. Returns false if there is no digest, because the entry has changed. */
  #setDigest(digest: Digest | undefined, stat: FileStat, readAt: bigint): boolean {
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
      // A changed symbolic link may have another target, and another type of file is another entry.
      if (stat?.kind !== this.#stat.kind || (attempt > 0 && stat.kind === "symlink")) break;
      if (this.#setDigest(await hashEntry(this.#entry(stat), signal), stat, readAt)) return;
    }
    throw new VarveError("busy", `Cannot checksum ${utf8Of(this.path)}: it changes while it is read`, {
      hint: "Add files that are written during the build to .dockerignore.",
    });
  }
}

function readLink(path: ByteString): ByteString {
  return readlinkSync(pathOfByteString(path), { encoding: "latin1" });
}
