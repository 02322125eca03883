import type { Digest } from "../core/index.ts";
import type { ByteString } from "../linux/index.ts";
import { DiskNode } from "./disk-node.ts";
import type { Remembered, StoredEntries } from "./entry-codec.ts";
import { isYoung, type FileStat } from "./file-stat.ts";
import type { Owner } from "./hash-entry.ts";

/** Files of a context belong to root, whoever owns them on disk. */
export const rootOwner: Owner = { uid: 0, gid: 0 };

const nothing: ReadonlyMap<ByteString, ContextNode> = new Map();

interface ContextNodeParts {
  readonly digest?: Digest | undefined;
  readonly entries?: ReadonlyMap<ByteString, ContextNode> | undefined;
  readonly owner: Owner;
  /** Told when the entry has been hashed and may be remembered. */
  readonly onHashed?: ((node: ContextNode) => void) | undefined;
}

/** One entry of a build context. */
export class ContextNode extends DiskNode {
  readonly #parts: ContextNodeParts;

  constructor(path: ByteString, stat: FileStat, parts: ContextNodeParts) {
    super(path, stat, parts.digest);
    this.#parts = parts;
  }

  override entries(): ReadonlyMap<ByteString, ContextNode> {
    return this.#parts.entries ?? nothing;
  }

  protected override ownerOf(): Owner {
    return this.#parts.owner;
  }

  protected override hashed(readAt: bigint): void {
    if (!isYoung(this.stat, readAt)) this.#parts.onHashed?.(this);
  }
}

/** A directory of a context during a build: what was remembered of it, and what has been learnt. */
export class ContextDirectory {
  readonly #names: readonly ByteString[];
  readonly #stored: StoredEntries | undefined;
  readonly #learnt = new Map<ByteString, Remembered>();
  #changed = false;

  /** `names` is everything in the directory, in byte order. */
  constructor(names: readonly ByteString[], stored: StoredEntries | undefined) {
    this.#names = names;
    this.#stored = stored;
  }

  /** A node with the digest that is remembered for it, if the file is still the same. */
  add(name: ByteString, path: ByteString, stat: FileStat, entries?: ReadonlyMap<ByteString, ContextNode>): ContextNode {
    return new ContextNode(path, stat, {
      digest: this.#stored?.digestOf(name, stat),
      entries,
      owner: rootOwner,
      onHashed: (node) => this.#learn(name, node),
    });
  }

  has(name: ByteString): boolean {
    return this.#names.includes(name);
  }

  /** All that is to be remembered of the directory now, or undefined if nothing has been learnt since it was last asked for. */
  takeChanges(): ReadonlyMap<ByteString, Remembered> | undefined {
    if (!this.#changed) return undefined;
    this.#changed = false;
    const entries = new Map<ByteString, Remembered>();
    for (const name of this.#names) {
      const known = this.#learnt.get(name) ?? this.#stored?.get(name);
      if (known !== undefined) entries.set(name, known);
    }
    return entries;
  }

  #learn(name: ByteString, { stat, digest }: ContextNode): void {
    if (digest === undefined) return;
    this.#learnt.set(name, { stat, digest });
    this.#changed = true;
  }
}
