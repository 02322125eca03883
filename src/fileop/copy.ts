import { lstatSync } from "node:fs";
import { VarveError } from "../core/index.ts";
import { Errno, type Path, byteStringOf, joinPath, pathOfByteString, systemError } from "../linux/index.ts";
import { type CopyAction, KEEP_MODE } from "../llb/index.ts";
import { PathFilter, basePath, cleanPath, dirPath } from "../pattern/index.ts";
import { Copier } from "./copier.ts";
import { type CopyTarget, type EntryAttributes, makeDirectories, restoreTimes } from "./copy-target.ts";
import { type ModeChange, parseModeChange } from "./mode-change.ts";
import type { UserId } from "./owner.ts";
import type { SourceEntry, SourceView } from "./source-view.ts";
import { timeOf } from "./target.ts";
import { expandWildcard } from "./wildcard.ts";

const DIRECTORY_MODE = 0o755;

/** Applies a copy action. */
export async function copy(
  tree: CopyTarget,
  view: SourceView,
  action: CopyAction,
  owner: UserId | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (!action.createDestPath) requireParent(tree, action.dest);
  for (const path of action.requiredPaths) view.get(path, { follow: true });
  const paths = action.allowWildcard
    ? expandWildcard(view, action.src, { follow: action.followSymlink })
    : [cleanKeepingSlash(action.src)];
  if (paths.length === 0 && !action.allowEmptyWildcard) {
    throw new VarveError("not-found", `Cannot copy ${action.src}: no file matches`, { details: { path: action.src } });
  }
  const run = new CopyRun(tree, view, action, owner, signal);
  for (const path of paths) await run.copy(path);
}

class CopyRun {
  readonly #tree: CopyTarget;
  readonly #view: SourceView;
  readonly #action: CopyAction;
  readonly #dest: string;
  readonly #owner: UserId | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #change: ModeChange | undefined;

  constructor(
    tree: CopyTarget,
    view: SourceView,
    action: CopyAction,
    owner: UserId | undefined,
    signal: AbortSignal | undefined,
  ) {
    this.#tree = tree;
    this.#view = view;
    this.#action = action;
    this.#dest = cleanKeepingSlash(action.dest);
    this.#owner = owner;
    this.#signal = signal;
    this.#change = modeChange(action);
  }

  /** Copies or unpacks one source. */
  async copy(path: Path): Promise<void> {
    const { followSymlink, attemptUnpack } = this.#action;
    const entry = this.#view.get(path, { follow: followSymlink });
    const time = timeOf(this.#action.timestamp);
    if (attemptUnpack && (await this.#unpack(path))) return;
    const attributes: EntryAttributes = { mode: this.#directoryMode(), owner: this.#owner, time };
    const first = makeDirectories(this.#tree, this.#tree.locate(directoryPart(this.#dest)), attributes);
    const target = this.#targetOf(entry, path);
    const second = makeDirectories(this.#tree, this.#requiredDirectory(entry, target), attributes);
    await this.#copier().copy(entry, target);
    restoreTimes(this.#tree, [...first, ...second], time);
  }

  #copier(): Copier {
    const {
      includePatterns: include,
      excludePatterns: exclude,
      alwaysReplaceExistingDestPaths: replace,
    } = this.#action;
    const filter = include.length + exclude.length === 0 ? undefined : new PathFilter({ include, exclude });
    return new Copier({
      tree: this.#tree,
      view: this.#view,
      filter,
      change: this.#change,
      owner: this.#owner,
      time: timeOf(this.#action.timestamp),
      replace,
      signal: this.#signal,
    });
  }

  async #unpack(path: Path): Promise<boolean> {
    const entry = this.#view.get(path, { follow: true });
    if (!lstatSync(entry.path).isFile()) return false;
    const target = this.#tree.locate(cleanPath(this.#dest));
    const time = timeOf(this.#action.timestamp);
    const prepare = (): void => {
      makeDirectories(this.#tree, target, { mode: DIRECTORY_MODE, owner: this.#owner, time });
    };
    return await this.#tree.unpack(entry.path, target, {
      what: `/${entry.text}`,
      prepare,
      owner: this.#owner,
      signal: this.#signal,
    });
  }

  /**
   * Returns the path to copy an entry to. If the destination is an existing directory, that is the entry's own name inside it,
   * unless the entry is a directory whose contents are merged into the destination.
   */
  #targetOf(entry: SourceEntry, path: Path): Path {
    const dest = this.#tree.locate(cleanPath(this.#dest));
    const existing = this.#tree.isDirectory(dest);
    const isDirectory = lstatSync(entry.path).isDirectory();
    const into = isDirectory ? !this.#action.dirCopyContents && existing !== undefined : existing === true;
    const name = basePath(byteStringOf(path));
    return into && name !== "/" && name !== "." ? joinPath(dest, pathOfByteString(name)) : dest;
  }

  /** Returns the directory that must exist before the copy. */
  #requiredDirectory(entry: SourceEntry, target: Path): Path {
    const { dirCopyContents } = this.#action;
    const isMerged = dirCopyContents && lstatSync(entry.path).isDirectory();
    return isMerged && this.#tree.isDirectory(target) === undefined ? target : this.#tree.parentOf(target);
  }

  #directoryMode(): number {
    const { mode, modeStr } = this.#action;
    return modeStr === "" && mode !== KEEP_MODE ? mode & 0o777 : DIRECTORY_MODE;
  }
}

function modeChange({ mode, modeStr }: CopyAction): ModeChange | undefined {
  if (modeStr !== "") return parseModeChange(modeStr);
  return mode === KEEP_MODE ? undefined : () => mode & 0o7777;
}

/** Makes a path absolute and clean, but keeps a "/" or "/." at the end, which marks a directory. */
function cleanKeepingSlash(path: string): string {
  const clean = cleanPath(`/${path}`);
  const slash = clean === "/" ? "" : "/";
  if (path.endsWith("/.")) return `${clean}${slash}.`;
  return path.endsWith("/") ? `${clean}${slash}` : clean;
}

/** Returns the part of a destination that is certainly a directory. */
function directoryPart(dest: string): string {
  const name = dest.slice(dest.lastIndexOf("/") + 1);
  return name === "" || name === "." ? cleanPath(dest) : dirPath(dest);
}

/** Throws ENOENT unless the directory of `dest` exists. */
function requireParent(tree: CopyTarget, dest: string): void {
  const above = tree.parentOf(tree.locate(cleanPath(`/${dest}`)));
  if (tree.isDirectory(above) === undefined) throw systemError(Errno.ENOENT, "lstat", above);
}
