import { lstatSync } from "node:fs";
import { setImmediate as yieldToLoop } from "node:timers/promises";
import { type Digest, VarveError, throwIfAborted } from "../core/index.ts";
import {
  type ContentSelector,
  type ContextNode,
  type ContextTree,
  type StatCache,
  checksum,
  contextRoot,
  sameFile,
  scanContext,
  statEntry,
} from "../contenthash/index.ts";
import { type ByteString, type Path, joinPath as joinFsPath, pathOfByteString } from "../linux/index.ts";
import { PathFilter } from "../pattern/index.ts";
import { copyNode, metadataOf, setMetadata } from "../snapshot/index.ts";
import { followPatterns } from "./local-follow.ts";

export interface LocalContextOptions {
  /** What progress and records call it. */
  readonly name: string;
  /** Ignore-file patterns: a path must match one, if there are any. */
  readonly includePatterns?: readonly string[] | undefined;
  /** The lines of the ignore file. */
  readonly excludePatterns?: readonly string[] | undefined;
  /** Only these paths, and what links on the way lead to; `.` or none is everything. */
  readonly followPaths?: readonly string[] | undefined;
  /** Remembers checksums between builds. Leave out for a directory that is used once. */
  readonly cache?: StatCache | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** One entry of a context. */
export interface LocalEntry {
  /** Relative to the context, without a leading slash. */
  readonly path: ByteString;
  readonly node: ContextNode;
}

/**
 * A directory of this machine as the context of a build. It is read in place: a step that copies from it opens its files
 * where they are. `path`, `filter` and `owner` say what of it is there, to whoever copies; `verify` says whether what was
 * copied is what was checksummed.
 */
export class LocalContext {
  readonly name: string;
  /** Real, absolute path. */
  readonly path: Path;
  /** What belongs to the context; everything if undefined. A directory above something included is there too. */
  readonly filter: PathFilter | undefined;
  /** Everything in a context belongs to root. */
  readonly owner: { readonly uid: number; readonly gid: number } = { uid: 0, gid: 0 };
  readonly #tree: ContextTree;

  constructor(name: string, tree: ContextTree, filter: PathFilter | undefined) {
    this.name = name;
    this.path = pathOfByteString(tree.path);
    this.filter = filter;
    this.#tree = tree;
  }

  /** The content key of what the selectors cover; files that are remembered unchanged are not opened. */
  async checksum(selectors: readonly ContentSelector[], signal?: AbortSignal): Promise<Digest> {
    const digest = await checksum(this.#tree, selectors, { signal });
    this.#tree.save();
    return digest;
  }

  /** Everything in the context, parents first, names in byte order. */
  *list(): Generator<LocalEntry> {
    yield* listBelow("", this.#tree.root);
  }

  /** Bytes of all its files. */
  get size(): number {
    return sizeBelow(this.#tree.root);
  }

  /** The entry at a path, no link followed. */
  entry(path: ByteString): LocalEntry | undefined {
    let node: ContextNode | undefined = this.#tree.root;
    for (const name of path.split("/").filter((part) => part !== "")) node = node?.entries().get(name);
    return node === undefined ? undefined : { path, node };
  }

  /** Throws `busy` unless the entry is still what it was when it was scanned or checksummed. */
  verify({ node }: LocalEntry): void {
    const stat = statEntry(node.path);
    // A directory that lies above what is included may come and go as it likes, but for its permissions.
    const same = node.kind === "directory" ? stat?.mode === node.stat.mode : stat && sameFile(stat, node.stat);
    if (same === true) return;
    throw new VarveError("busy", `Cannot copy ${pathOfByteString(node.path).toString()}: it changed during the build`, {
      hint: "Exclude files that are written during the build with an ignore file.",
    });
  }

  /** As `verify`, for everything at and below the given paths; all of the context unless given. */
  async verifyAll(paths: readonly ByteString[] = [""], signal?: AbortSignal): Promise<void> {
    let count = 0;
    for (const path of paths) {
      const entry = this.entry(path);
      if (entry === undefined) continue;
      for (const below of [entry, ...listBelow(path, entry.node)]) {
        this.verify(below);
        count += 1;
        if (count % 512 === 0) await pause(signal);
      }
    }
  }

  /** Copies the context into an empty directory: contents, permissions, times, attributes; owners are root's. */
  async copyTo(directory: Path, signal?: AbortSignal): Promise<void> {
    await copyEntries(this, this.#tree.root, directory, signal);
  }
}

function sizeBelow(node: ContextNode): number {
  let size = 0;
  for (const child of node.entries().values())
    size += child.kind === "directory" ? sizeBelow(child) : child.kind === "file" ? Number(child.stat.size) : 0;
  return size;
}

function* listBelow(path: ByteString, node: ContextNode): Generator<LocalEntry> {
  for (const [name, child] of node.entries()) {
    const below = path === "" ? name : `${path}/${name}`;
    yield { path: below, node: child };
    yield* listBelow(below, child);
  }
}

async function pause(signal: AbortSignal | undefined): Promise<void> {
  throwIfAborted(signal, "read the build context");
  await yieldToLoop();
}

async function copyEntries(
  context: LocalContext,
  from: ContextNode,
  directory: Path,
  signal: AbortSignal | undefined,
): Promise<void> {
  await pause(signal);
  for (const [name, node] of from.entries()) {
    const target = joinFsPath(directory, pathOfByteString(name));
    const source = pathOfByteString(node.path);
    const stat = lstatSync(source, { bigint: true });
    const copying = copyNode(source, target, stat, signal);
    if (copying !== undefined) await copying;
    await copyEntries(context, node, target, signal);
    const isLink = node.kind === "symlink";
    setMetadata(target, { ...metadataOf(stat), ...context.owner }, { isLink, attributesOf: source });
    context.verify({ path: name, node });
  }
}

function filterOf(root: ByteString, options: LocalContextOptions): PathFilter | undefined {
  const { includePatterns = [], excludePatterns = [], followPaths = [] } = options;
  const followed = followPaths.length === 0 ? undefined : followPatterns(root, followPaths);
  const everything = followPaths.length > 0 && followed === undefined;
  const include = everything ? [] : [...includePatterns, ...(followed ?? [])];
  if (include.length === 0 && excludePatterns.length === 0) return undefined;
  return new PathFilter({ include, exclude: excludePatterns });
}

/** Scans a context directory, which may be a symbolic link. Throws `not-found` or `invalid-argument` if it is no directory. */
export async function openLocalContext(directory: Path, options: LocalContextOptions): Promise<LocalContext> {
  const { path } = contextRoot(directory);
  const filter = filterOf(path, options);
  const tree = await scanContext(pathOfByteString(path), {
    filter,
    cache: options.cache,
    signal: options.signal,
  });
  return new LocalContext(options.name, tree, filter);
}
