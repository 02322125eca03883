import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { VarveError } from "../../core/index.ts";
import type { Lease } from "../../content/index.ts";
import { makeDirectories, tryLock } from "../../linux/index.ts";
import type { MountedTree, Snapshotter } from "../../snapshot/index.ts";
import { temporaryKey } from "../keys.ts";
import type { RecordTable } from "../table.ts";
import type { RecordId, RecordRow, RecordType } from "../types.ts";
import type { MountPoints } from "./mount-points.ts";

export interface KeyedDirectoryDeps {
  readonly table: RecordTable;
  readonly snapshotter: Snapshotter;
  /** Directory for lock files. */
  readonly locks: string;
  readonly mounts: MountPoints;
}

/** Whether a directory can be used by several at the same time. */
export type DirectoryLock = "shared" | "exclusive";

export interface NewDirectory {
  readonly type: RecordType;
  readonly description: string;
  /** Null: nobody can find the directory. */
  readonly key: string | null;
  readonly lock: DirectoryLock;
  /** Called with the path of the new directory, to fill it. */
  readonly initialize?: ((path: string) => Promise<void>) | undefined;
}

/** A directory in use. Dispose of it to unmount it and to let others use it. */
export interface LockedDirectory extends AsyncDisposable {
  readonly id: RecordId;
  readonly path: string;
}

/** Name of the lock file for creating a directory with a key. Every other lock file has the id of a record as its name. */
const CREATE_LOCK = "making";

/**
 * Mutable records: directories that persist and are found by a key. File locks say which ones are in use. They work across
 * processes, and the kernel releases them when a process dies. A lease keeps the record of a directory in use.
 */
export class KeyedDirectories {
  readonly #deps: KeyedDirectoryDeps;

  constructor(deps: KeyedDirectoryDeps) {
    this.#deps = deps;
  }

  /** Returns the directory of one of these records: the first that is free. Undefined if there is none. */
  async open(rows: readonly RecordRow[], lock: DirectoryLock, lease: Lease): Promise<LockedDirectory | undefined> {
    for (const row of rows) {
      const held = this.#lock(row.id, lock);
      const opened = held === undefined ? undefined : await this.#open(row, held, lease);
      if (opened !== undefined) return opened;
    }
    return undefined;
  }

  /** Creates a directory and its record. */
  async create(made: NewDirectory, lease: Lease): Promise<LockedDirectory> {
    const { tree, row } = await this.#make(made, lease);
    const lock = this.#lock(row.id, made.lock);
    if (lock !== undefined) return lockedDirectory(row.id, tree, lock);
    await tree[Symbol.asyncDispose]();
    throw new VarveError("busy", `Cannot use directory ${row.id}: another process has locked it`);
  }

  /** Like `create`, if there is no directory with the key and no other process creates one. If not, returns undefined. */
  async createFirst(made: NewDirectory & { readonly key: string }, lease: Lease): Promise<LockedDirectory | undefined> {
    using createLock = this.#lock(CREATE_LOCK, "exclusive");
    if (createLock === undefined || this.#deps.table.byKey(made.key).length > 0) return undefined;
    return await this.create(made, lease);
  }

  /** Takes a directory its key, and removes it unless it is in use. */
  async remove(row: RecordRow): Promise<void> {
    this.#deps.table.setKey(row.id, null);
    using lock = this.#lock(row.id, "exclusive");
    if (lock !== undefined) await this.#remove(row);
  }

  /** Removes directories without a key that nobody uses, and lock files of directories that do not exist any more. */
  async sweep(): Promise<void> {
    for (const row of this.#deps.table.unkeyed()) await this.#remove(row);
    this.#sweepLocks();
  }

  /** Mounts an existing directory. Undefined if another process removed it, or took its key, before this one got the lock. */
  async #open(row: RecordRow, lock: Disposable, lease: Lease): Promise<LockedDirectory | undefined> {
    const { table, snapshotter, mounts } = this.#deps;
    const { id, snapshot } = row;
    const present = table.transaction(() => {
      if (snapshot === undefined || !table.hasKey(id)) return false;
      lease.add("record", id);
      return true;
    });
    if (!present || snapshot === undefined || snapshotter.stat(snapshot) === undefined) {
      lock[Symbol.dispose]();
      return undefined;
    }
    const tree = await mounts.mount(await snapshotter.mounts(snapshot));
    table.used([id]);
    return lockedDirectory(id, tree, lock);
  }

  /** Creates and initialises the directory, and inserts its record. Leaves nothing behind on failure. */
  async #make(made: NewDirectory, lease: Lease): Promise<{ tree: MountedTree; row: RecordRow }> {
    const { snapshotter, mounts } = this.#deps;
    const snapshot = temporaryKey("cache");
    const spec = await snapshotter.prepare(snapshot, undefined, { lease, durable: true });
    await using undo = new AsyncDisposableStack();
    undo.defer(() => snapshotter.remove(snapshot));
    const tree = undo.use(await mounts.mount(spec));
    await made.initialize?.(tree.path);
    const row = this.#insert(made, snapshot, lease);
    undo.move();
    return { tree, row };
  }

  #insert({ type, description, key }: NewDirectory, snapshot: string, lease: Lease): RecordRow {
    const { table } = this.#deps;
    return table.transaction(() => {
      const row = table.insert({ kind: "mutable", parents: [], type, description, snapshot });
      table.setKey(row.id, key);
      table.used([row.id]);
      lease.add("record", row.id);
      return row;
    });
  }

  #sweepLocks(): void {
    const { locks, table } = this.#deps;
    for (const name of existsSync(locks) ? readdirSync(locks) : []) {
      if (name === CREATE_LOCK || table.get(name) !== undefined) continue;
      table.transaction(() => {
        using lock = table.get(name) === undefined ? this.#lock(name, "exclusive") : undefined;
        if (lock !== undefined) rmSync(join(locks, name), { force: true });
      });
    }
  }

  async #remove(row: RecordRow): Promise<void> {
    if (!this.#deps.table.remove(row.id) || row.snapshot === undefined) return;
    await this.#deps.snapshotter.remove(row.snapshot);
  }

  #lock(name: string, lock: DirectoryLock): Disposable | undefined {
    makeDirectories(this.#deps.locks);
    return tryLock(join(this.#deps.locks, name), lock);
  }
}

function lockedDirectory(id: RecordId, tree: MountedTree, lock: Disposable): LockedDirectory {
  return {
    id,
    path: tree.path,
    [Symbol.asyncDispose]: async () => {
      try {
        await tree[Symbol.asyncDispose]();
      } finally {
        lock[Symbol.dispose]();
      }
    },
  };
}
