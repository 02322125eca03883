import { setTimeout as sleep } from "node:timers/promises";
import { throwIfAborted } from "../../core/index.ts";
import { Root } from "../../linux/index.ts";
import type { Hold } from "../types.ts";
import { KeyedDirectories, type KeyedDirectoryDeps } from "./keyed-directories.ts";

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
  /** Called with the path of a new cache mount, to fill it. */
  readonly initialize?: ((path: string) => Promise<void>) | undefined;
}

/** A cache mount in use. Dispose of it to unmount it and to let other steps use it. */
export interface CacheMount extends AsyncDisposable {
  readonly path: string;
}

/** Milliseconds between two attempts to get a cache mount that is in use. */
const POLL = 100;

/**
 * Cache mounts: directories that persist between steps and builds.
 *
 * @example
 * await using cache = await cacheMounts.acquire({ key: "npm", sharing: "locked", description: "npm cache" }, { lease });
 */
export class CacheMounts {
  readonly #deps: KeyedDirectoryDeps;
  readonly #directories: KeyedDirectories;

  constructor(deps: KeyedDirectoryDeps) {
    this.#deps = deps;
    this.#directories = new KeyedDirectories(deps);
  }

  /**
   * Returns the cache mount for a key, and creates it if necessary. Waits while it is in use by others, if `sharing` says so.
   * @throws {VarveError} `cancelled`
   */
  async acquire(request: CacheMountRequest, hold: Hold): Promise<CacheMount> {
    for (;;) {
      throwIfAborted(hold.signal, "wait for a cache mount");
      const mount = await this.#tryAcquire(request, hold);
      if (mount !== undefined) return mount;
      await sleep(POLL, undefined, { signal: hold.signal }).catch(() => undefined);
    }
  }

  /**
   * Removes the directories of a mount's id, so that the next step starts with an empty one. Directories in use lose their key
   * at once; a later `sweep` removes them.
   */
  async prune(mountId: string): Promise<void> {
    for (const row of this.#deps.table.byMountId(mountId)) await this.#directories.remove(row);
  }

  /**
   * Mounts a directory of a cache mount, which is created if it does not exist. Symbolic links that other steps create, now or
   * later, cannot lead out of the mount. The cache mount must stay in use while the result is.
   */
  async folder(mount: CacheMount, path: string): Promise<CacheMount> {
    using root = Root.open(mount.path);
    using directory = root.makeDirectories(path, { mode: 0o755 });
    return await this.#deps.mounts.pin(directory.path);
  }

  async #tryAcquire(request: CacheMountRequest, { lease }: Hold): Promise<CacheMount | undefined> {
    const { key, sharing, description, initialize } = request;
    const lock = sharing === "shared" ? "shared" : "exclusive";
    const rows = this.#deps.table.byKey(key);
    const opened = await this.#directories.open(rows, lock, lease);
    if (opened !== undefined) return opened;
    if (rows.length > 0 && sharing === "locked") return undefined;
    const made = { key, type: "exec.cachemount", description, lock, initialize } as const;
    if (sharing === "private") return await this.#directories.create(made, lease);
    return await this.#directories.createFirst(made, lease);
  }
}
