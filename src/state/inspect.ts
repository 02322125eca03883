import { DatabaseSync } from "node:sqlite";
import { VarveError } from "../core/index.ts";
import { toStateError } from "./errors.ts";
import { checkVersion } from "./open.ts";

/** A read-only view of a database. */
export interface DatabaseReader {
  hasTable(name: string): boolean;
  /** The first row, or undefined. */
  get(sql: string): Readonly<Record<string, unknown>> | undefined;
}

/** Maximum wait for the write lock, in ms: transactions are short. */
const PATIENCE = 5000;

/**
 * Checks an existing database page by page, and takes its write lock for a moment. Changes nothing, not even its version.
 *
 * @param look - Reads tables that exist; its result is returned.
 * @throws {VarveError} What opening the database throws; `corrupt` for any damage; `busy` if another process keeps the lock.
 */
export function inspectState<T>(path: string, look: (database: DatabaseReader) => T): T {
  try {
    using stack = new DisposableStack();
    const db = stack.adopt(new DatabaseSync(path, { timeout: PATIENCE }), (opened) => opened.close());
    checkVersion(db, path);
    const found = db.prepare("PRAGMA quick_check(1)").get();
    const verdict = found === undefined ? "" : String(Object.values(found)[0]);
    if (verdict !== "ok")
      throw new VarveError("corrupt", `Cannot use state ${path}: ${verdict.split("\n").slice(0, 2).join(" ")}`, {
        hint: "Stop every varve process, then restore the root from a copy or remove it.",
      });
    db.exec("BEGIN IMMEDIATE; ROLLBACK");
    return look({
      hasTable: (name) => db.prepare("SELECT 1 FROM sqlite_schema WHERE name = ?").get(name) !== undefined,
      get: (sql) => db.prepare(sql).get(),
    });
  } catch (error) {
    throw toStateError(error, `use state ${path}`, path);
  }
}
