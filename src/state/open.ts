import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { VarveError } from "../core/index.ts";
import { createFile } from "./create.ts";
import { isBusy } from "./errors.ts";
import { APPLICATION_ID, FORMAT, VERSIONS, legacyVersions } from "./format.ts";
import { makeDirectories } from "../linux/index.ts";

/** How long a connection waits for the lock of another one, in ms. Transactions are short; the limit suits a loaded machine. */
const BUSY_TIMEOUT = 30_000;
const RETRY_PAUSE = 20;

function pragma(db: DatabaseSync, name: string): unknown {
  return Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0];
}

function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_PAUSE);
}

/** SQLite does not call its busy handler for the switch to WAL, so that concurrent first openers retry here. */
function useWal(db: DatabaseSync, path: string): void {
  const deadline = Date.now() + BUSY_TIMEOUT;
  for (;;) {
    try {
      const mode = pragma(db, "journal_mode = WAL");
      if (mode === "wal" || mode === "memory") return;
      throw new VarveError("unsupported", `Cannot open state ${path}: its filesystem has no shared memory for a WAL`, {
        hint: "Keep the root on a local filesystem.",
      });
    } catch (error) {
      if (!isBusy(error) || Date.now() > deadline) throw error;
      pause();
    }
  }
}

function version(db: DatabaseSync): number {
  return Number(pragma(db, "user_version") ?? 0);
}

/** Throws unless the file is empty, or a database of Varve of a version that this program knows. */
export function checkVersion(db: DatabaseSync, path: string): void {
  const found = version(db);
  const application = pragma(db, "application_id");
  if (found === 0 && application === 0 && pragma(db, "schema_version") === 0) return;
  if (application !== APPLICATION_ID)
    throw new VarveError("unsupported", `Cannot open state ${path}: it is a database of another program`);
  if (found > FORMAT) throw tooNew(path, found, FORMAT);
}

export function tooNew(what: string, found: number, known: number): VarveError {
  return new VarveError(
    "unsupported",
    `Cannot open state ${what}: its version is ${found}, and this varve supports ${known}`,
    {
      hint: "Use a newer varve, or another root.",
      details: { found, known },
    },
  );
}

/** Migrates the format in one transaction. Of several processes one does it; the others find it done. */
function migrate(db: DatabaseSync, path: string): void {
  if (version(db) === FORMAT) return;
  db.exec("BEGIN IMMEDIATE");
  try {
    checkVersion(db, path);
    const found = version(db);
    if (found < FORMAT) {
      db.exec(VERSIONS);
      const insert = db.prepare("INSERT INTO tables_version VALUES (?, ?)");
      if (found > 0) for (const [name, known] of legacyVersions(found)) insert.run(name, known);
    }
    db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${FORMAT}; COMMIT`);
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

/** Opens, checks and migrates the database file; creates its directory if needed. */
export function openDatabase(path: string): DatabaseSync {
  if (path !== ":memory:") {
    makeDirectories(dirname(path));
    createFile(path, (fresh) => migrate(fresh, path));
  }
  const db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT, enableForeignKeyConstraints: false });
  try {
    checkVersion(db, path);
    useWal(db, path);
    db.exec("PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 67108864; PRAGMA temp_store = MEMORY");
    migrate(db, path);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}
