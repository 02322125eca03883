import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { VarveError, throwIfAborted } from "../../core/index.ts";
import { Root, makeDirectories, tryLock } from "../../linux/index.ts";
import type { MountedTree, Snapshotter } from "../../snapshot/index.ts";
import type { MountPoints } from "./mount-points.ts";
import { temporaryKey } from "../keys.ts";
import type { RecordTable } from "../table.ts";
import type { Hold, RecordRow } from "../types.ts";

/**
 * What a second step gets while a first one uses a cache mount: `shared`, the same directory; `private`, another directory;
 * `locked`, the same directory after the first step has ended.
 */
export type CacheSharing = "shared" | "private" | "locked";

export interface CacheMountRequest {
  /**
   * The id of the mount, followed by a colon and a record's id if it is initialised from a record. Requests with equal keys get
   * the same directory.
   */
  readonly key: string;
  readonly sharing: CacheSharing;
  readonly description: string;
  /** A directory inside the cache mount to return instead of its root. It is created if it does not exist. */
  readonly folder?: string | undefined;
  /** Called with the path of a new cache mount, to fill it. */
  readonly initialize?: ((path: string) => Promise<void>) | undefined;
}

/** A cache mount in use. Dispose of it to unmount it and to let other steps use it. */
export interface CacheMount extends AsyncDisposable {
  readonly path: string;
}

export interface CacheMountDeps {
  readonly table: RecordTable;
  readonly snapshotter: Snapshotter;
  /** Directory for lock files. */
  readonly locks: string;
  readonly mounts: MountPoints;
}

/** Milliseconds between two attempts to get a cache mount that is in use. */
const POLL = 100;
/** Name of the lock file for creating a cache mount. Every other lock file has the id of a record as its name. */
const CREATE_LOCK = "making";

/**
 * Cache mounts: directories that persist between steps and builds. File locks say which ones are in use. They work across
 * processes, and the kernel releases them when a process dies.
 *
 * @example
 * await using cache = await cacheMounts.acquire({ key: "npm", sharing: "locked", description: "npm cache" }, { lease });
 */
export class CacheMounts {
  readonly #table: RecordTable;
  readonly #snapshotter: Snapshotter;
  readonly #locks: string;
  readonly #mounts: MountPoints;

  constructor({ table, snapshotter, locks, mounts }: CacheMountDeps) {
    this.#table = table;
    this.#snapshotter = snapshotter;
    this.#locks = locks;
    this.#mounts = mounts;
  }

  /**
   * Returns the cache mount for a key, and creates it if necessary. Waits while it is in use by others, if `sharing` says so.
   * @throws {VarveError} `cancelled`
   */
  async acquire(request: CacheMountRequest, hold: Hold): Promise<CacheMount> {
    makeDirectories(this.#locks);
    for (;;) {
      throwIfAborted(hold.signal, "wait for a cache mount");
      const mount = await this.#tryAcquire(request, hold);
      if (mount !== undefined) return request.folder === undefined ? mount : await this.#folder(mount, request.folder);
      await sleep(POLL, undefined, { signal: hold.signal }).catch(() => undefined);
    }
  }

  /** Mounts a directory of a cache mount. Symbolic links that other steps create, now or later, cannot lead out of the mount. */
  async #folder(mount: CacheMount, path: string): Promise<CacheMount> {
    await using stack = new AsyncDisposableStack();
    stack.use(mount);
    using root = Root.open(mount.path);
    using directory = root.makeDirectories(path, { mode: 0o755 });
    const pinned = stack.use(await this.#mounts.pin(directory.path));
    const acquired = stack.move();
    return { path: pinned.path, [Symbol.asyncDispose]: () => acquired.disposeAsync() };
  }

  /**
   * Removes the directories of a mount's id, so that the next step starts with an empty one. Directories in use lose their key
   * at once; a later `pruneRecords` removes them.
   */
  async prune(mountId: string): Promise<void> {
    makeDirectories(this.#locks);
    for (const row of this.#table.byMountId(mountId)) {
      this.#table.setKey(row.id, null);
      using lock = tryLock(join(this.#locks, row.id), "exclusive");
      if (lock !== undefined) await this.#remove(row);
    }
  }

  async #tryAcquire(request: CacheMountRequest, hold: Hold): Promise<CacheMount | undefined> {
    const mode = request.sharing === "shared" ? "shared" : "exclusive";
    const rows = this.#table.byKey(request.key);
    for (const row of rows) {
      const lock = tryLock(join(this.#locks, row.id), mode);
      if (lock === undefined) continue;
      const mount = await this.#open(row, lock, hold);
      if (mount !== undefined) return mount;
    }
    if (rows.length > 0 && request.sharing === "locked") return undefined;
    return await this.#create(request, hold);
  }

  /** Mounts an existing directory. Undefined if another process removed it before this one got the lock. */
  async #open(row: RecordRow, lock: Disposable, hold: Hold): Promise<CacheMount | undefined> {
    const present = this.#table.transaction(() => {
      if (row.snapshot === undefined || this.#table.get(row.id) === undefined) return false;
      hold.lease.add("record", row.id);
      return true;
    });
    if (!present || this.#snapshotter.stat(row.snapshot ?? "") === undefined) {
      lock[Symbol.dispose]();
      return undefined;
    }
    const tree = await this.#mounts.mount(await this.#snapshotter.mounts(row.snapshot ?? ""));
    this.#table.used([row.id]);
    return lockedMount(tree, lock);
  }

  /** Creates a directory. Undefined if another process is creating one, or has just created one with the same key. */
  async #create(request: CacheMountRequest, hold: Hold): Promise<CacheMount | undefined> {
    using createLock = tryLock(join(this.#locks, CREATE_LOCK), "exclusive");
    if (createLock === undefined) return undefined;
    if (request.sharing !== "private" && this.#table.byKey(request.key).length > 0) return undefined;
    const { tree, row } = await this.#makeDirectory(request, hold);
    const lock = tryLock(join(this.#locks, row.id), request.sharing === "shared" ? "shared" : "exclusive");
    if (lock !== undefined) return lockedMount(tree, lock);
    await tree[Symbol.asyncDispose]();
    throw new VarveError("busy", `Cannot use cache mount ${request.key}: another process has locked it`);
  }

  /** Creates and initialises the directory, and inserts its record. Leaves nothing behind on failure. */
  async #makeDirectory(request: CacheMountRequest, hold: Hold): Promise<{ tree: MountedTree; row: RecordRow }> {
    const key = temporaryKey("cache");
    const spec = await this.#snapshotter.prepare(key, undefined, { lease: hold.lease, durable: true });
    await using undo = new AsyncDisposableStack();
    undo.defer(() => this.#snapshotter.remove(key));
    const tree = undo.use(await this.#mounts.mount(spec));
    await request.initialize?.(tree.path);
    const row = this.#insert(request, key, hold);
    undo.move();
    return { tree, row };
  }

  #insert(request: CacheMountRequest, snapshot: string, hold: Hold): RecordRow {
    return this.#table.transaction(() => {
      const row = this.#table.insert({
        kind: "mutable",
        parents: [],
        type: "exec.cachemount",
        description: request.description,
        snapshot,
      });
      this.#table.setKey(row.id, request.key);
      this.#table.used([row.id]);
      hold.lease.add("record", row.id);
      return row;
    });
  }

  /** Removes the lock files of cache mounts that do not exist any more. */
  sweepLocks(): void {
    for (const name of existsSync(this.#locks) ? readdirSync(this.#locks) : []) {
      if (name === CREATE_LOCK || this.#table.get(name) !== undefined) continue;
      this.#table.transaction(() => {
        using lock = this.#table.get(name) === undefined ? tryLock(join(this.#locks, name)) : undefined;
        if (lock !== undefined) rmSync(join(this.#locks, name), { force: true });
      });
    }
  }

  async #remove(row: RecordRow): Promise<void> {
    if (!this.#table.remove(row.id) || row.snapshot === undefined) return;
    await this.#snapshotter.remove(row.snapshot);
  }
}

function lockedMount(tree: MountedTree, lock: Disposable): CacheMount {
  return {
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
