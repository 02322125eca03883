import { type BigIntStats, linkSync, lstatSync } from "node:fs";
import { setImmediate as yieldToLoop } from "node:timers/promises";
import { type Digest, VarveError, throwIfAborted } from "../core/index.ts";
import {
  type ContentEntry,
  type ContentSelector,
  type ContextNode,
  type ContextTree,
  type KnownTree,
  type ModeRule,
  type StatCache,
  checksum,
  contextRoot,
  listContent,
  sameFile,
  scanContext,
  statEntry,
} from "../contenthash/index.ts";
import { type ByteString, type Path, joinPath as joinFsPath, pathOfByteString } from "../linux/index.ts";
import type { PathFilter } from "../pattern/index.ts";
import { copyNode, metadataOf, setMetadata } from "../snapshot/index.ts";
import { contextFilter, type ContextPatterns } from "./local-filter.ts";

export interface LocalContextOptions extends ContextPatterns {
  /** Name in progress displays and records. */
  readonly name: string;
  /** Caches checksums between builds. Omit it for a directory that is used once. */
  readonly cache?: StatCache | undefined;
  /** Entries have their owners on disk. By default, they belong to root. */
  readonly keepOwners?: boolean | undefined;
  /** Entries have these permission bits instead of those on disk. The cache must be one for the same rule. */
  readonly modes?: ModeRule | undefined;
  /** What is known of the directory. */
  readonly known?: KnownTree | undefined;
  /** See `LocalContext.keep`. Default: the directory stays anyway. */
  readonly keep?: (() => AsyncDisposable) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** One entry of a context. */
export interface LocalEntry {
  /** Relative to the context, without a leading slash. */
  readonly path: ByteString;
  readonly node: ContextNode;
}

/**
 * A directory of this machine as the context of a build. It is read in place: a step that copies from it opens the original
 * files. `path`, `filter` and `owner` tell a copy what the context contains. `verify` checks that a copied file is the one that
 * was checksummed.
 */
export class LocalContext {
  readonly name: string;
  /** Absolute path without symbolic links. */
  readonly path: Path;
  /** Selects the entries that belong to the context; all if undefined. Directories above included entries belong to it too. */
  readonly filter: PathFilter | undefined;
  /** The owner of all entries. Undefined: each entry's own. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
  /** The permission bits of all entries. Undefined: each entry's own. */
  readonly modes: ModeRule | undefined;
  readonly #tree: ContextTree;
  readonly #keep: (() => AsyncDisposable) | undefined;

  constructor(
    { name, keepOwners, modes, keep }: LocalContextOptions,
    tree: ContextTree,
    filter: PathFilter | undefined,
  ) {
    this.name = name;
    this.owner = keepOwners === true ? undefined : { uid: 0, gid: 0 };
    this.modes = modes;
    this.path = pathOfByteString(tree.path);
    this.filter = filter;
    this.#tree = tree;
    this.#keep = keep;
  }

  /** Keeps the directory as it is until the returned value is disposed of, also after the build that it was opened for has ended. */
  keep(): AsyncDisposable {
    return this.#keep?.() ?? { [Symbol.asyncDispose]: () => Promise.resolve() };
  }

  /** Returns the content key of the entries that the selectors match. Files that the cache knows are not read again. */
  async checksum(selectors: readonly ContentSelector[], signal?: AbortSignal): Promise<Digest> {
    const digest = await checksum(this.#tree, selectors, { signal });
    this.#tree.save();
    return digest;
  }

  /** Yields the entries that selectors match, after `checksum` was called with them. */
  files(selectors: readonly ContentSelector[]): Iterable<ContentEntry> {
    return listContent(this.#tree, selectors);
  }

  /** Yields all entries of the context, parents first, names in byte order. */
  *list(): Generator<LocalEntry> {
    yield* listBelow("", this.#tree.root);
  }

  /** Total bytes of all files. */
  get size(): number {
    return sizeBelow(this.#tree.root);
  }

  /** Returns the entry at a path without following links, or undefined. */
  entry(path: ByteString): LocalEntry | undefined {
    let node: ContextNode | undefined = this.#tree.root;
    for (const name of path.split("/").filter((part) => part !== "")) node = node?.entries().get(name);
    return node === undefined ? undefined : { path, node };
  }

  /**
   * Checks that an entry has not changed since it was scanned or checksummed.
   * @throws {VarveError} `busy` if it has.
   */
  verify({ node }: LocalEntry): void {
    const stat = statEntry(node.path);
    // A directory's times and size may change; only its mode counts.
    const same = node.kind === "directory" ? stat?.mode === node.stat.mode : stat && sameFile(stat, node.stat);
    if (same === true) return;
    throw new VarveError("busy", `Cannot copy ${pathOfByteString(node.path).toString()}: it changed during the build`, {
      hint: "Exclude files that are written during the build with an ignore file.",
    });
  }

  /** Verifies everything at and below the given paths. Defaults to the whole context. */
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

  /** Copies the context with its metadata and hard links into an empty directory. Verifies each entry. */
  async copyTo(directory: Path, signal?: AbortSignal): Promise<void> {
    await copyEntries(this, this.#tree.root, directory, { signal, links: new Map() });
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

interface CopyOptions {
  readonly signal: AbortSignal | undefined;
  /** The copy of each file that has several names, by its inode. */
  readonly links: Map<string, Path>;
}

async function copyEntries(
  context: LocalContext,
  from: ContextNode,
  directory: Path,
  options: CopyOptions,
): Promise<void> {
  await pause(options.signal);
  for (const [name, node] of from.entries()) {
    const target = joinFsPath(directory, pathOfByteString(name));
    const stat = lstatSync(pathOfByteString(node.path), { bigint: true });
    const other = otherName(stat, target, options);
    if (other === undefined) await copyEntry(context, node, stat, target, options);
    else linkSync(other, target);
    context.verify({ path: name, node });
  }
}

/** Returns the copy of a file under another name. Undefined if this is its first name. */
function otherName(stat: BigIntStats, target: Path, { links }: CopyOptions): Path | undefined {
  if (stat.isDirectory() || stat.nlink < 2n) return undefined;
  const inode = `${stat.dev}:${stat.ino}`;
  const other = links.get(inode);
  if (other === undefined) links.set(inode, target);
  return other;
}

async function copyEntry(
  context: LocalContext,
  node: ContextNode,
  stat: BigIntStats,
  target: Path,
  options: CopyOptions,
): Promise<void> {
  const source = pathOfByteString(node.path);
  const copying = copyNode(source, target, stat, options.signal);
  if (copying !== undefined) await copying;
  await copyEntries(context, node, target, options);
  const isLink = node.kind === "symlink";
  const mode = context.modes?.(Number(stat.mode));
  const metadata = { ...metadataOf(stat), ...context.owner, ...(mode === undefined ? {} : { mode }) };
  setMetadata(target, metadata, { isLink, attributesOf: source });
}

/**
 * Scans a context directory. `directory` may be a symbolic link.
 *
 * @throws {VarveError} `not-found` if it does not exist, `invalid-argument` if it is not a directory, `cancelled`.
 * @example
 * const context = await openLocalContext(".", { name: "context", excludePatterns: ["node_modules"] });
 * const { size, path } = context;
 */
export async function openLocalContext(directory: Path, options: LocalContextOptions): Promise<LocalContext> {
  const { tree, filter } = await scanLocalContext(directory, options);
  return new LocalContext(options, tree, filter);
}

/** What a context is made of. */
export interface ScannedContext {
  readonly tree: ContextTree;
  readonly filter: PathFilter | undefined;
}

/** Scans a context directory, like `openLocalContext`. */
export async function scanLocalContext(directory: Path, options: LocalContextOptions): Promise<ScannedContext> {
  const { path } = contextRoot(directory);
  const filter = contextFilter(path, options);
  const tree = await scanContext(pathOfByteString(path), {
    filter,
    cache: options.cache,
    keepOwners: options.keepOwners,
    modes: options.modes,
    known: options.known,
    signal: options.signal,
  });
  return { tree, filter };
}
