import { randomBytes } from "node:crypto";
import { closeSync, existsSync, fsyncSync, linkSync, openSync, readdirSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/**
 * Creates the file of a database, unless there is one. The file is complete and synced before it gets its name, so that one sync
 * is enough: SQLite syncs for each step from an empty file to one with a log. Concurrent callers create one file. If the file cannot
 * be created this way, there is none, and opening the database creates it or says what is wrong.
 */
export function createFile(path: string, fill: (db: DatabaseSync) => void): void {
  if (existsSync(path)) return;
  const fresh = `${path}-new-${randomBytes(6).toString("hex")}`;
  try {
    removeLeftovers(path);
    fillUnsynced(fresh, fill);
    syncFile(fresh);
    linkSync(fresh, path);
  } catch {
    // See above.
  } finally {
    for (const suffix of ["", "-journal", "-wal", "-shm"]) rmSync(fresh + suffix, { force: true });
  }
}

/** Removes what a killed process left. If a running one loses its file, it opens the database like any other. */
function removeLeftovers(path: string): void {
  const prefix = `${basename(path)}-new-`;
  for (const name of readdirSync(dirname(path)))
    if (name.startsWith(prefix)) rmSync(join(dirname(path), name), { force: true });
}

function fillUnsynced(path: string, fill: (db: DatabaseSync) => void): void {
  const db = new DatabaseSync(path);
  try {
    db.exec("PRAGMA synchronous = OFF; PRAGMA journal_mode = WAL");
    fill(db);
  } finally {
    db.close();
  }
}

function syncFile(path: string): void {
  const fd = openSync(path, "r+");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
