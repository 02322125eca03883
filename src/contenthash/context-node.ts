import type { Digest } from "../core/index.ts";
import type { ByteString } from "../linux/index.ts";
import { DiskNode } from "./disk-node.ts";
import type { CachedDigest, StoredEntries } from "./entry-codec.ts";
import { isRacy, type FileStat } from "./file-stat.ts";
import type { ModeRule } from "./git-mode.ts";
import type { Owner } from "./hash-entry.ts";

/** The owner of all files of a context, whoever owns them on disk, unless owners are kept. */
export const rootOwner: Owner = { uid: 0, gid: 0 };

const NO_ENTRIES: ReadonlyMap<ByteString, ContextNode> = new Map();

/** What the entries of a context have, whatever they have on disk. */
export interface ContextAttributes {
  /** Undefined: the owner on disk. */
  readonly owner: Owner | undefined;
  /** Undefined: the permission bits on disk. */
  readonly modes: ModeRule | undefined;
}

interface ContextNodeParts {
  readonly digest?: Digest | undefined;
  readonly entries?: ReadonlyMap<ByteString, ContextNode> | undefined;
  readonly attributes: ContextAttributes;
  /** Where the entry is. */
  readonly directory?: ContextDirectory | undefined;
}

/** An entry of a build context. */
export class ContextNode extends DiskNode {
  readonly #parts: ContextNodeParts;

  constructor(path: ByteString, stat: FileStat, parts: ContextNodeParts) {
    super(path, stat, parts.digest);
    this.#parts = parts;
  }

  override entries(): ReadonlyMap<ByteString, ContextNode> {
    return this.#parts.entries ?? NO_ENTRIES;
  }

  protected override ownerOf(stat: FileStat): Owner {
    return this.#parts.attributes.owner ?? stat;
  }

  protected override modeOf(stat: FileStat): number {
    return this.#parts.attributes.modes?.(stat.mode) ?? super.modeOf(stat);
  }

  protected override hashed(readAt: bigint): void {
    if (!isRacy(this.stat, readAt)) this.#parts.directory?.remember(this);
  }
}

/** A directory of a context: the digests that were cached for it before, and those that were computed since. */
export class ContextDirectory {
  readonly #names: readonly ByteString[];
  readonly #attributes: ContextAttributes;
  readonly #stored: StoredEntries | undefined;
  readonly #computed = new Map<ByteString, CachedDigest>();
  #changed = false;

  /** `names` are all names in the directory, in byte order. */
  constructor(names: readonly ByteString[], attributes: ContextAttributes, stored: StoredEntries | undefined) {
    this.#names = names;
    this.#attributes = attributes;
    this.#stored = stored;
  }

  /** Returns a node for an entry, with its cached digest if the file has not changed. */
  add(name: ByteString, path: ByteString, stat: FileStat, entries?: ReadonlyMap<ByteString, ContextNode>): ContextNode {
    return new ContextNode(path, stat, {
      digest: this.#stored?.digestOf(name, stat),
      entries,
      attributes: this.#attributes,
      directory: this,
    });
  }

  has(name: ByteString): boolean {
    return this.#names.includes(name);
  }

  /** Keeps the digest that was computed of an entry. */
  remember({ path, stat, digest }: ContextNode): void {
    if (digest === undefined) return;
    this.#computed.set(path.slice(path.lastIndexOf("/") + 1), { stat, digest });
    this.#changed = true;
  }

  /** Returns all digests to cache for the directory. Undefined if none was computed since the last call. */
  takeChanges(): ReadonlyMap<ByteString, CachedDigest> | undefined {
    if (!this.#changed) return undefined;
    this.#changed = false;
    const entries = new Map<ByteString, CachedDigest>();
    for (const name of this.#names) {
      const known = this.#computed.get(name) ?? this.#stored?.get(name);
      if (known !== undefined) entries.set(name, known);
    }
    return entries;
  }
}
