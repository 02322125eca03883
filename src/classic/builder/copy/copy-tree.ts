import { NS_PER_SECOND, wholeSeconds } from "../../../core/index.ts";
import { type BigIntStats, chmodSync, linkSync, lstatSync, mkdirSync } from "node:fs";
import {
  type Path,
  joinPath,
  lgetxattr,
  lsetxattr,
  lutimes,
  pathOfByteString,
  setOwner,
} from "../../../linux/index.ts";
import { Pace, copyNode, listNames, removeTree } from "../../../snapshot/index.ts";

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export interface CopyOptions {
  /** Defaults to the owner in the source. */
  readonly owner: Owner | undefined;
  readonly signal: AbortSignal;
}

const CAPABILITY = "security.capability";

/**
 * Copies files with the results of the daemon, which packs an archive and changes owners: times are in whole seconds, and file
 * capabilities are the only extended attributes. With an owner, files lose capabilities and set-ID bits, as by chown(2).
 */
export class TreeCopy {
  readonly #options: CopyOptions;
  readonly #pace: Pace;
  readonly #links = new Map<string, Path>();

  constructor(options: CopyOptions) {
    this.#options = options;
    this.#pace = new Pace(options.signal);
  }

  /** Copies a file to `to`. Replaces an existing entry, even a directory. */
  async file(from: Path, to: Path): Promise<void> {
    const stat = lstatSync(from, { bigint: true });
    await this.#clear(to);
    await copyNode(from, to, stat, this.#options.signal);
    this.#setMetadata(from, to, stat);
  }

  /** Merges a directory's contents into another. Subdirectories get the source's metadata; other entries are replaced. */
  async contents(from: Path, to: Path): Promise<void> {
    for (const name of listNames(from)) {
      const pause = this.#pace.step();
      if (pause !== undefined) await pause;
      await this.#entry(joinPath(from, pathOfByteString(name)), joinPath(to, pathOfByteString(name)));
    }
  }

  async #entry(from: Path, to: Path): Promise<void> {
    const stat = lstatSync(from, { bigint: true });
    if (stat.isDirectory()) {
      if (lstatSync(to, { throwIfNoEntry: false })?.isDirectory() !== true) {
        await this.#clear(to);
        mkdirSync(to, 0o700);
      }
      await this.contents(from, to);
    } else {
      await this.#clear(to);
      const inode = `${stat.dev}:${stat.ino}`;
      const first = stat.nlink > 1n ? this.#links.get(inode) : undefined;
      if (first !== undefined) return linkSync(first, to);
      if (stat.nlink > 1n) this.#links.set(inode, to);
      await copyNode(from, to, stat, this.#options.signal);
    }
    this.#setMetadata(from, to, stat);
  }

  async #clear(path: Path): Promise<void> {
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined)
      await removeTree(path, { signal: this.#options.signal });
  }

  #setMetadata(from: Path, to: Path, stat: BigIntStats): void {
    const { owner } = this.#options;
    setOwner(to, owner?.uid ?? Number(stat.uid), owner?.gid ?? Number(stat.gid));
    if (!stat.isSymbolicLink()) {
      const capability = owner === undefined ? lgetxattr(from, CAPABILITY) : undefined;
      if (capability !== undefined) lsetxattr(to, CAPABILITY, capability);
      const mode = Number(stat.mode) & 0o7777;
      chmodSync(to, owner === undefined || stat.isDirectory() ? mode : withoutSetId(mode));
    }
    const mtime = wholeSeconds(stat.mtimeNs) * NS_PER_SECOND;
    lutimes(to, { atime: mtime, mtime });
  }
}

/** Returns a file's mode after a change of owner, by which the kernel clears set-ID bits. */
function withoutSetId(mode: number): number {
  return mode & ((mode & 0o010) === 0 ? ~0o4000 : ~0o6000);
}
