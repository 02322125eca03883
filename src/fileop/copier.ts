import { type BigIntStats, lstatSync } from "node:fs";
import { VarveError } from "../core/index.ts";
import { type Path, joinPath, showPath } from "../linux/index.ts";
import type { PathFilter, PathVerdict } from "../pattern/index.ts";
import { Pace } from "../snapshot/index.ts";
import type { CopyTarget } from "./copy-target.ts";
import { pathInTree } from "./failure.ts";
import type { ModeChange } from "./mode-change.ts";
import type { UserId } from "./owner.ts";
import type { SourceEntry, SourceView } from "./source-view.ts";

export interface CopierOptions {
  /** The tree that is changed. */
  readonly tree: CopyTarget;
  readonly view: SourceView;
  /** The copy's own patterns, matched against paths relative to the source. */
  readonly filter: PathFilter | undefined;
  readonly change: ModeChange | undefined;
  /** Defaults to the owner in the source. */
  readonly owner: UserId | undefined;
  /** Nanoseconds since 1970. Defaults to the time in the source. */
  readonly time: bigint | undefined;
  /** If true, existing entries of any kind are removed first, except that directories are merged. */
  readonly replace: boolean;
  readonly signal: AbortSignal | undefined;
}

/** A directory on the way to the current entry. `pending` means that it is made only when something in it is included. */
interface Ancestor {
  readonly source: SourceEntry;
  readonly target: Path;
  readonly stat: BigIntStats;
  made: boolean;
  pending: boolean;
}

/**
 * Copies one entry and everything below it, by the rules of BuildKit's copy (`tonistiigi/fsutil/copy`):
 * directories are merged; an existing directory gets the source's metadata, but the topmost one gets only its times;
 * files replace files, links and devices, but never directories; hard links to one file stay hard links to one file.
 */
export class Copier {
  readonly #options: CopierOptions;
  readonly #pace: Pace;
  readonly #links = new Map<string, Path>();
  readonly #ancestors: Ancestor[] = [];

  constructor(options: CopierOptions) {
    this.#options = options;
    this.#pace = new Pace(options.signal);
  }

  /** Copies `source` to `target`. The path of `target` contains no symbolic links, and its directory exists. */
  async copy(source: SourceEntry, target: Path): Promise<void> {
    const stat = lstatSync(source.path, { bigint: true });
    await this.#removeExisting(target, stat);
    if (!stat.isDirectory()) return await this.#copyFile(source, target, stat);
    const created = this.#makeDirectory(target, stat, false);
    await this.#copyChildren(source, target, stat, "", undefined);
    if (created) this.#finish(source, target, stat);
    else this.#setTimes(target, stat);
  }

  async #copyBelow(source: SourceEntry, target: Path, text: string, parent: PathVerdict | undefined): Promise<void> {
    const pause = this.#pace.step();
    if (pause !== undefined) await pause;
    const verdict = this.#options.filter?.check(text, parent);
    const included = verdict?.included ?? true;
    if (!included && verdict?.descend === false) return;
    const stat = lstatSync(source.path, { bigint: true });
    if (!included && !stat.isDirectory()) return;
    if (included) {
      await this.#removeExisting(target, stat);
      this.#makeAncestors();
    }
    if (stat.isDirectory()) await this.#copyDirectory(source, target, stat, text, verdict);
    else await this.#copyFile(source, target, stat);
  }

  async #copyDirectory(
    source: SourceEntry,
    target: Path,
    stat: BigIntStats,
    text: string,
    verdict: PathVerdict | undefined,
  ): Promise<void> {
    const included = verdict?.included ?? true;
    if (included) this.#makeDirectory(target, stat, true);
    const made = await this.#copyChildren(source, target, stat, text, verdict);
    if (included) this.#finish(source, target, stat);
    else if (made) this.#setTimes(target, stat);
  }

  /** Returns true if the directory was made during the walk, because something in it is included. */
  async #copyChildren(
    source: SourceEntry,
    target: Path,
    stat: BigIntStats,
    text: string,
    verdict: PathVerdict | undefined,
  ): Promise<boolean> {
    const ancestor: Ancestor = { source, target, stat, made: false, pending: verdict?.included === false };
    this.#ancestors.push(ancestor);
    if (verdict?.descend !== false) {
      for (const child of this.#options.view.children(source)) {
        const name = typeof child.name === "string" ? child.name : child.name.toString("utf8");
        await this.#copyBelow(child, joinPath(target, child.name), text === "" ? name : `${text}/${name}`, verdict);
      }
    }
    this.#ancestors.pop();
    return ancestor.made;
  }

  /** Makes the directories above an included entry that are not included themselves. */
  #makeAncestors(): void {
    for (const ancestor of this.#ancestors) {
      if (!ancestor.pending) continue;
      ancestor.pending = false;
      ancestor.made = this.#makeDirectory(ancestor.target, ancestor.stat, true);
      if (ancestor.made) this.#finish(ancestor.source, ancestor.target, ancestor.stat);
    }
  }

  /** Returns true if the directory did not exist. */
  #makeDirectory(target: Path, stat: BigIntStats, overwrite: boolean): boolean {
    const { tree, view } = this.#options;
    const isDirectory = tree.isDirectory(target);
    if (isDirectory === undefined) {
      tree.makeDirectory(target);
      return true;
    }
    if (!isDirectory) {
      throw new VarveError(
        "invalid-build",
        `Cannot copy a directory to ${pathInTree(showPath(target))}: it is not a directory`,
      );
    }
    if (overwrite) tree.setMode(target, view.metadata(stat).mode & 0o7777);
    return false;
  }

  async #copyFile(source: SourceEntry, target: Path, stat: BigIntStats): Promise<void> {
    const { tree, signal } = this.#options;
    const isDirectory = tree.isDirectory(target);
    if (isDirectory === true) {
      throw new VarveError("invalid-build", `Cannot copy a file to ${pathInTree(showPath(target))}: it is a directory`);
    }
    if (isDirectory === false) tree.unlink(target);
    const first = this.#firstName(stat, target);
    if (first !== undefined) tree.link(first, target);
    else if (stat.isSocket()) tree.createEmpty(source.path, target, stat);
    else {
      const copying = tree.copyNode(source.path, target, stat, signal);
      if (copying !== undefined) await copying;
    }
    this.#finish(source, target, stat);
  }

  /** Returns the copy of an earlier hard link to the same file, if there is one. */
  #firstName(stat: BigIntStats, target: Path): Path | undefined {
    if (!stat.isFile() || stat.nlink === 1n) return undefined;
    const inode = `${stat.dev}:${stat.ino}`;
    const first = this.#links.get(inode);
    if (first === undefined) this.#links.set(inode, target);
    return first;
  }

  /** With `replace`, removes an existing entry, unless it and the source are directories. */
  async #removeExisting(target: Path, stat: BigIntStats): Promise<void> {
    const { replace, tree } = this.#options;
    if (!replace) return;
    const isDirectory = tree.isDirectory(target);
    if (isDirectory === undefined || (isDirectory && stat.isDirectory())) return;
    await tree.remove(target);
  }

  #finish(source: SourceEntry, target: Path, stat: BigIntStats): void {
    const { tree, view, owner, change, time } = this.#options;
    const metadata = view.metadata(stat);
    const mode = change === undefined ? metadata.mode : change(metadata.mode, stat.isDirectory());
    const times = time === undefined ? {} : { atime: time, mtime: time };
    tree.setMetadata(target, { ...metadata, ...owner, ...times, mode }, source.path, stat.isSymbolicLink());
  }

  #setTimes(target: Path, stat: BigIntStats): void {
    const { tree, time } = this.#options;
    tree.setTimes(target, { atime: time ?? stat.atimeNs, mtime: time ?? stat.mtimeNs });
  }
}
