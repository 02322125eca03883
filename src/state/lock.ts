import { DatabaseSync } from "node:sqlite";
import { isBusy, toStateError } from "./errors.ts";

/**
 * Takes an exclusive lock on a file, or returns undefined if it is held, by this process or another. The lock goes with
 * its process, however that ends, and holds across PID namespaces.
 *
 * It is the lock that SQLite takes for an exclusive transaction (POSIX record locks, with its own bookkeeping inside a
 * process), on a database that stays empty. Nothing else may open the file. A file that may be removed while others
 * take its lock needs a lock of its own around both; see `State.transaction`.
 */
export function tryLockFile(path: string): Disposable | undefined {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { timeout: 0 });
    db.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
    const held = db;
    return {
      [Symbol.dispose]: () => {
        if (held.isOpen) held.close();
      },
    };
  } catch (error) {
    db?.close();
    if (isBusy(error)) return undefined;
    throw toStateError(error, `lock ${path}`, path);
  }
}
