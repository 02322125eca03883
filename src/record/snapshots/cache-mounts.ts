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

/** `shared`: writers at the same time; `private`: a second writer gets a directory of its own; `locked`: it waits. */
export type CacheSharing = "shared" | "private" | "locked";

export interface CacheMountRequest {
  /** The mount's id, and after a colon the record it starts from if there is one: equal keys are the same directory. */
  readonly key: string;
  readonly sharing: CacheSharing;
  readonly description: string;
  /** A folder in it that is wanted instead of the whole, made where it is missing. */
  readonly folder?: string | undefined;
  /** Fills a new directory. */
  readonly initialize?: ((path: string) => Promise<void>) | undefined;
}

export interface CacheMount extends AsyncDisposable {
  readonly path: string;
}

export interface CacheMountDeps {
  readonly table: RecordTable;
  readonly snapshotter: Snapshotter;
  readonly locks: string;
  readonly mounts: MountPoints;
}

/** Another holder is looked for this often, in milliseconds. */
const POLL = 100;
/** The lock of those that make a directory; the other locks have the names of records. */
const MAKING = "making";

/**
 * Directories that live on between steps and builds. Who may use one is settled by file locks, which hold across processes
 * and go with a process that dies.
 */
export class CacheMounts {
  readonly #table: RecordTable;
  readonly #snapshotter: Snapshotter;
  readonly #locks: string;
  readonly #mounts: MountPoints;

  /** `locks` is a directory for lock files. */
  constructor({ table, snapshotter, locks, mounts }: CacheMountDeps) {
    this.#table = table;
    this.#snapshotter = snapshotter;
    this.#locks = locks;
    this.#mounts = mounts;
  }

  async acquire(request: CacheMountRequest, hold: Hold): Promise<CacheMount> {
    makeDirectories(this.#locks);
    for (;;) {
      throwIfAborted(hold.signal, "wait for a cache mount");
      const mount = await this.#tryAcquire(request, hold);
      if (mount !== undefined) return request.folder === undefined ? mount : await this.#folder(mount, request.folder);
      await sleep(POLL, undefined, { signal: hold.signal }).catch(() => undefined);
    }
  }

  /** Found inside the mount whatever links other steps put on the way, at this moment or later. */
  async #folder(mount: CacheMount, path: string): Promise<CacheMount> {
    await using stack = new AsyncDisposableStack();
    stack.use(mount);
    using root = Root.open(mount.path);
    using directory = root.makeDirectories(path, { mode: 0o755 });
    const pinned = stack.use(await this.#mounts.pin(directory.path));
    const held = stack.move();
    return { path: pinned.path, [Symbol.asyncDispose]: () => held.disposeAsync() };
  }

  /**
   * Forgets the directories of a mount's id, so that the next step starts with an empty one. Those in use stay until prune
   * finds them idle; the others go at once.
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

  /** Opens an existing directory; undefined if it was removed before the lock was ours. */
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
    return held(tree, lock);
  }

  /** Makes a directory, unless another process makes one of the same key at this moment: then undefined. */
  async #create(request: CacheMountRequest, hold: Hold): Promise<CacheMount | undefined> {
    using making = tryLock(join(this.#locks, MAKING), "exclusive");
    if (making === undefined) return undefined;
    if (request.sharing !== "private" && this.#table.byKey(request.key).length > 0) return undefined;
    const { tree, row } = await this.#makeDirectory(request, hold);
    const lock = tryLock(join(this.#locks, row.id), request.sharing === "shared" ? "shared" : "exclusive");
    if (lock !== undefined) return held(tree, lock);
    await tree[Symbol.asyncDispose]();
    throw new VarveError("busy", `Cannot use cache mount ${request.key}: its lock is taken`);
  }

  /** Makes the directory, with what it is to hold, and its record. A failure leaves nothing. */
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

  /** Removes the locks of cache mounts that are gone. */
  sweepLocks(): void {
    for (const name of existsSync(this.#locks) ? readdirSync(this.#locks) : []) {
      if (name === MAKING || this.#table.get(name) !== undefined) continue;
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

function held(tree: MountedTree, lock: Disposable): CacheMount {
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
