import { VarveError } from "../core/index.ts";
import { contextTables } from "./schema.ts";
import type { ByteString } from "../linux/index.ts";
import type { Database } from "../state/index.ts";
import { type CachedDigest, StoredEntries, encodeEntries } from "./entry-codec.ts";
import type { FileStat } from "./file-stat.ts";

/** Maximum number of contexts in the cache. The least recently saved ones are evicted. */
const MAX_ROOTS = 64;

function blob(bytes: ByteString): Buffer {
  return Buffer.from(bytes, "latin1");
}

/** The changes that one `save` writes. Paths are relative to the root of the context. */
export interface ContextChanges {
  /** The new entries of each changed directory. */
  readonly changed: ReadonlyMap<ByteString, ReadonlyMap<ByteString, CachedDigest>>;
  /** Returns whether a cached directory is known not to exist any more. */
  readonly isGone: (directory: ByteString) => boolean;
}

/**
 * A cache of the digests of files in build contexts. A file with the same device, inode, size, mtime, ctime and mode is not read
 * again. Each context directory has its own entries, which are dropped if another directory takes its path. Several processes
 * may use the cache at the same time, because every entry is valid on its own.
 */
export class StatCache {
  readonly #state: Database;
  readonly #suffix: string;

  /** `rule` names what the digests cover besides what is on disk, such as other permission bits. Each rule has entries of its own. */
  constructor(state: Database, rule = "") {
    state.install(contextTables);
    this.#state = state;
    // No path contains a NUL.
    this.#suffix = rule === "" ? "" : `\0${rule}`;
  }

  /** Opens the entries of one context. `path` is the absolute path of its root, with symbolic links resolved. */
  open(path: ByteString, { dev, ino }: FileStat): ContextCache {
    return new ContextCache(this.#state, `${path}${this.#suffix}`, dev.toString(), ino.toString());
  }
}

/** The cached digests of one context. */
export class ContextCache {
  readonly #state: Database;
  readonly #path: ByteString;
  readonly #dev: string;
  readonly #ino: string;
  readonly #id: number | undefined;

  constructor(state: Database, path: ByteString, dev: string, ino: string) {
    this.#state = state;
    this.#path = path;
    this.#dev = dev;
    this.#ino = ino;
    this.#id = this.#find();
  }

  /** Returns the cached digests of a directory. */
  load(directory: ByteString): StoredEntries {
    if (this.#id === undefined) return new StoredEntries(undefined);
    const row = this.#state.get<{ entries: Uint8Array }>(
      "SELECT entries FROM context_directory WHERE root = ? AND path = ?",
      this.#id,
      blob(directory),
    );
    return new StoredEntries(row?.entries);
  }

  /** Writes the changes, if there are any, and removes directories that do not exist any more. */
  save({ changed, isGone }: ContextChanges): void {
    if (changed.size === 0) return;
    this.#state.transaction(() => {
      const id = this.#find() ?? this.#replace();
      this.#state.run("UPDATE context_root SET saved_at = ? WHERE id = ?", Date.now(), id);
      for (const [directory, entries] of changed)
        this.#state.run(
          "INSERT INTO context_directory (root, path, entries) VALUES (?, ?, ?) " +
            "ON CONFLICT (root, path) DO UPDATE SET entries = excluded.entries",
          id,
          blob(directory),
          encodeEntries(entries),
        );
      this.#prune(id, isGone);
    });
  }

  #find(): number | undefined {
    const row = this.#state.get<{ id: number; dev: string; ino: string }>(
      "SELECT id, dev, ino FROM context_root WHERE path = ?",
      blob(this.#path),
    );
    return row?.dev === this.#dev && row.ino === this.#ino ? row.id : undefined;
  }

  #replace(): number {
    const old = this.#state.get<{ id: number }>("SELECT id FROM context_root WHERE path = ?", blob(this.#path));
    if (old !== undefined) this.#evict(old.id);
    const surplus = this.#state.all<{ id: number }>(
      "SELECT id FROM context_root ORDER BY saved_at DESC, id DESC LIMIT -1 OFFSET ?",
      MAX_ROOTS - 1,
    );
    for (const { id } of surplus) this.#evict(id);
    const row = this.#state.get<{ id: number }>(
      "INSERT INTO context_root (path, dev, ino, saved_at) VALUES (?, ?, ?, ?) RETURNING id",
      blob(this.#path),
      this.#dev,
      this.#ino,
      Date.now(),
    );
    if (row === undefined)
      throw new VarveError("internal", "Cannot cache digests of a context: its row was not inserted");
    return row.id;
  }

  #evict(id: number): void {
    this.#state.run("DELETE FROM context_directory WHERE root = ?", id);
    this.#state.run("DELETE FROM context_root WHERE id = ?", id);
  }

  #prune(id: number, isGone: (directory: ByteString) => boolean): void {
    const rows = this.#state.all<{ path: Uint8Array }>("SELECT path FROM context_directory WHERE root = ?", id);
    for (const { path } of rows)
      if (isGone(Buffer.from(path).toString("latin1")))
        this.#state.run("DELETE FROM context_directory WHERE root = ? AND path = ?", id, path);
  }
}
