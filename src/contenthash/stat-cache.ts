import { contextTables } from "./schema.ts";
import type { ByteString } from "../linux/index.ts";
import type { Database } from "../state/index.ts";
import { type Remembered, StoredEntries, encodeEntries } from "./entry-codec.ts";
import type { FileStat } from "./file-stat.ts";

/** Contexts remembered; the ones saved longest ago go first. */
const MAX_ROOTS = 64;

function blob(bytes: ByteString): Buffer {
  return Buffer.from(bytes, "latin1");
}

/** What one save writes: new entries of directories, and which directories are gone. Paths are relative to the root. */
export interface ContextChanges {
  readonly changed: ReadonlyMap<ByteString, ReadonlyMap<ByteString, Remembered>>;
  /** True if a remembered directory is known not to exist any more. */
  readonly isGone: (directory: ByteString) => boolean;
}

/**
 * Remembers checksums of the files of build contexts, so that a file whose device, inode, size, mtime, ctime and mode are
 * the same is not read again. Each context root has its own entries; a root that has been replaced by another directory
 * begins anew. Any number of processes may use one: an entry is true by itself, whoever wrote it last.
 */
export class StatCache {
  readonly #state: Database;

  constructor(state: Database) {
    state.install(contextTables);
    this.#state = state;
  }

  /** The entries of one root. `path` is its real, absolute path. */
  open(path: ByteString, { dev, ino }: FileStat): ContextCache {
    return new ContextCache(this.#state, path, dev.toString(), ino.toString());
  }
}

/** The remembered entries of one context root. */
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

  /** What is known of the files of a directory. */
  load(directory: ByteString): StoredEntries {
    if (this.#id === undefined) return new StoredEntries(undefined);
    const row = this.#state.get<{ entries: Uint8Array }>(
      "SELECT entries FROM context_directory WHERE root = ? AND path = ?",
      this.#id,
      blob(directory),
    );
    return new StoredEntries(row?.entries);
  }

  /** Writes what has changed; nothing if nothing has. */
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
    if (old !== undefined) this.#forget(old.id);
    const surplus = this.#state.all<{ id: number }>(
      "SELECT id FROM context_root ORDER BY saved_at DESC, id DESC LIMIT -1 OFFSET ?",
      MAX_ROOTS - 1,
    );
    for (const { id } of surplus) this.#forget(id);
    const row = this.#state.get<{ id: number }>(
      "INSERT INTO context_root (path, dev, ino, saved_at) VALUES (?, ?, ?, ?) RETURNING id",
      blob(this.#path),
      this.#dev,
      this.#ino,
      Date.now(),
    );
    return row?.id ?? 0;
  }

  #forget(id: number): void {
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
