import { constants, copyFileSync, existsSync, statSync } from "node:fs";
import { DatabaseSync, backup } from "node:sqlite";
import { toStateError } from "./errors.ts";

/**
 * Copies the database at `path`, in the state of some moment, to a file that does not exist. Changes nothing at `path`. Other processes may
 * use the database meanwhile. Returns false if there is none.
 *
 * @throws {VarveError} `storage` if it cannot be read or the copy cannot be written.
 */
export async function copyState(path: string, target: string): Promise<boolean> {
  if (!existsSync(path)) return false;
  try {
    if (copyAtRest(path, target)) return true;
    using stack = new DisposableStack();
    const db = stack.adopt(new DatabaseSync(path, { readOnly: true }), (opened) => opened.close());
    await backup(db, target, { rate: 10_000 });
    return true;
  } catch (error) {
    throw toStateError(error, `copy state ${path}`, path);
  }
}

/** Copies the file, if no process has the database open: then it has no log. Returns false if one has opened it meanwhile. */
function copyAtRest(path: string, target: string): boolean {
  const isOpen = (): boolean => existsSync(`${path}-wal`);
  if (isOpen()) return false;
  const before = statSync(path, { bigint: true });
  copyFileSync(path, target, constants.COPYFILE_FICLONE);
  const after = statSync(path, { bigint: true });
  return !isOpen() && before.ctimeNs === after.ctimeNs && before.ino === after.ino;
}
