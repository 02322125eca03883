import { realpathSync } from "node:fs";
import { setImmediate as yieldToLoop } from "node:timers/promises";
import { digestOf, errnoOf, throwIfAborted, VarveError } from "../core/index.ts";
import { byteStringOf, type ByteString, type Path } from "../linux/index.ts";
import type { PathFilter, PathVerdict } from "../pattern/index.ts";
import { utf8Of } from "./bytes.ts";
import { type ContextAttributes, ContextDirectory, ContextNode, rootOwner } from "./context-node.ts";
import { readError } from "./disk-node.ts";
import { statEntry, type FileStat } from "./file-stat.ts";
import type { ModeRule } from "./git-mode.ts";
import { readNames } from "./snapshot-tree.ts";
import type { ContextCache, StatCache } from "./stat-cache.ts";
import type { Tree } from "./types.ts";
import type { CachedDigest } from "./entry-codec.ts";

export interface ScanOptions {
  /** Decides which paths belong to the context. The default is all. */
  readonly filter?: PathFilter | undefined;
  /** Caches digests between scans. The default is no cache. */
  readonly cache?: StatCache | undefined;
  /** The checksum covers the owners on disk. By default, all files belong to root. */
  readonly keepOwners?: boolean | undefined;
  /** The checksum covers these permission bits instead of those on disk. The cache must be one for the same rule. */
  readonly modes?: ModeRule | undefined;
  /** What is known of the directory. The scan asks the system for the rest. */
  readonly known?: KnownTree | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * What is known of a tree: by the path of each directory, relative to the root, all its entries in byte order. An entry has its current
 * metadata, if that is known.
 */
export type KnownTree = ReadonlyMap<ByteString, ReadonlyMap<ByteString, FileStat | undefined>>;

const EMPTY_DIGEST = digestOf("");
/** Milliseconds of work between two pauses that let other tasks run. */
const SLICE = 10;

/**
 * The tree of a build context, as BuildKit sees a directory that a client sends. All files belong to root unless owners are kept,
 * and the root directory has no header. The tree contains only what the filter includes, and the directories above it.
 */
export class ContextTree implements Tree {
  readonly root: ContextNode;
  /** The absolute path of the directory, with symbolic links resolved. */
  readonly path: ByteString;
  readonly #cache: ContextCache | undefined;
  readonly #directories: ReadonlyMap<ByteString, ContextDirectory>;

  constructor(
    root: ContextNode,
    directories: ReadonlyMap<ByteString, ContextDirectory>,
    cache: ContextCache | undefined,
  ) {
    this.root = root;
    this.path = root.path;
    this.#directories = directories;
    this.#cache = cache;
  }

  /** Stores the digests that were computed since the scan or the last call. Writes nothing if there are none. */
  save(): void {
    const changed = new Map<ByteString, ReadonlyMap<ByteString, CachedDigest>>();
    for (const [path, directory] of this.#directories) {
      const entries = directory.takeChanges();
      if (entries !== undefined) changed.set(path, entries);
    }
    this.#cache?.save({ changed, isGone: (path) => this.#isGone(path) });
  }

  /** Returns whether a cached directory does not exist any more: the closest scanned directory above it lacks the next name. */
  #isGone(path: ByteString): boolean {
    let below = path;
    while (below !== "" && !this.#directories.has(below)) {
      const slash = below.lastIndexOf("/");
      const above = this.#directories.get(slash < 0 ? "" : below.slice(0, slash));
      if (above !== undefined) return !above.has(below.slice(slash + 1));
      below = slash < 0 ? "" : below.slice(0, slash);
    }
    return false;
  }
}

class Scanner {
  readonly #root: ByteString;
  readonly #filter: PathFilter | undefined;
  readonly #cache: ContextCache | undefined;
  readonly #attributes: ContextAttributes;
  readonly #known: KnownTree | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly directories = new Map<ByteString, ContextDirectory>();
  #yielded = performance.now();

  constructor(root: ByteString, cache: ContextCache | undefined, options: ScanOptions) {
    const { filter, keepOwners, modes, known, signal } = options;
    this.#root = root;
    this.#cache = cache;
    this.#filter = filter;
    this.#attributes = { owner: keepOwners === true ? undefined : rootOwner, modes };
    this.#known = known;
    this.#signal = signal;
  }

  /** Adds the included entries of a directory to `entries`. `path` is relative to the root. */
  async scan(path: ByteString, entries: Map<ByteString, ContextNode>, parent?: PathVerdict): Promise<void> {
    await this.#pause();
    const absolute = path === "" ? this.#root : `${this.#root}/${path}`;
    const known = this.#known?.get(path);
    const names = known === undefined ? this.#names(absolute, parent) : [...known.keys()];
    const directory = new ContextDirectory(names, this.#attributes, this.#cache?.load(path));
    this.directories.set(path, directory);
    for (const name of names) {
      const relative = path === "" ? name : `${path}/${name}`;
      const verdict = this.#filter?.check(utf8Of(relative), parent);
      if (verdict !== undefined && !verdict.included && !verdict.descend) continue;
      const stat = known?.get(name) ?? statEntry(`${absolute}/${name}`);
      if (stat === undefined) continue;
      const included = verdict?.included ?? true;
      const below = stat.kind === "directory" ? new Map<ByteString, ContextNode>() : undefined;
      if (below !== undefined && (verdict?.descend ?? true)) await this.scan(relative, below, verdict);
      if (included || (below !== undefined && below.size > 0))
        entries.set(name, directory.add(name, `${this.#root}/${relative}`, stat, below));
    }
  }

  #names(path: ByteString, parent: PathVerdict | undefined): ByteString[] {
    try {
      return readNames(path);
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === "ENOENT" || errno === "ENOTDIR") return [];
      // An excluded directory is read only because the filter might include something in it, so it may be inaccessible.
      if ((errno === "EACCES" || errno === "EPERM") && parent?.included === false) return [];
      throw readError(path, error);
    }
  }

  async #pause(): Promise<void> {
    throwIfAborted(this.#signal, "scan the build context");
    if (performance.now() - this.#yielded < SLICE) return;
    await yieldToLoop();
    this.#yielded = performance.now();
  }
}

/**
 * Returns the path of a context directory with symbolic links resolved, and its metadata.
 * @throws {VarveError} `not-found` if it does not exist; `invalid-argument` if it is not a directory; `invalid-build` if it cannot
 * be read
 */
export function contextRoot(directory: Path): { path: ByteString; stat: FileStat } {
  try {
    const path = byteStringOf(realpathSync(directory, { encoding: "buffer" }));
    const stat = statEntry(path);
    if (stat?.kind === "directory") return { path, stat };
  } catch (error) {
    if (errnoOf(error) !== "ENOENT" && errnoOf(error) !== "ENOTDIR") throw readError(byteStringOf(directory), error);
    throw new VarveError("not-found", `Cannot use build context ${directory.toString()}: it does not exist`);
  }
  throw new VarveError("invalid-argument", `Cannot use build context ${directory.toString()}: it is not a directory`);
}

/**
 * Scans a context directory. Does not open or hash files. The directory itself may be a symbolic link.
 * @throws {VarveError} the errors of `contextRoot`, also for directories below; `cancelled`
 *
 * @example
 * const tree = await scanContext("/src", { cache: new StatCache(database) });
 * const key = await checksum(tree, [wholeTree]);
 * tree.save();
 */
export async function scanContext(directory: Path, options: ScanOptions = {}): Promise<ContextTree> {
  const { path, stat } = contextRoot(directory);
  const cache = options.cache?.open(path, stat);
  const scanner = new Scanner(path === "/" ? "" : path, cache, options);
  const entries = new Map<ByteString, ContextNode>();
  await scanner.scan("", entries);
  const root = new ContextNode(path, stat, {
    digest: EMPTY_DIGEST,
    entries,
    attributes: { owner: rootOwner, modes: undefined },
  });
  return new ContextTree(root, scanner.directories, cache);
}
