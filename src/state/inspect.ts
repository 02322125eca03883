import { DatabaseSync } from "node:sqlite";
import { VarveError } from "../core/index.ts";
import { toStateError } from "./errors.ts";
import { checkVersion } from "./open.ts";

/** How long the write lock is waited for, in ms: transactions are short. */
const PATIENCE = 5000;

/**
 * Looks through an existing database, page by page, and takes its write lock for a moment; nothing is changed, also not its
 * version. Returns the driver its snapshots were written by. Throws what opening it would throw, `corrupt` for any damage,
 * and `busy` if another process does not give up the lock.
 */
export function inspectState(path: string): { readonly driver: string | undefined } {
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
    const isEmpty = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'snapshot'").get() === undefined;
    const row = isEmpty ? undefined : db.prepare("SELECT driver FROM snapshot LIMIT 1").get();
    return { driver: row === undefined ? undefined : String(row["driver"]) };
  } catch (error) {
    throw toStateError(error, `use state ${path}`, path);
  }
}
