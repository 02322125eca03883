import { type ErrorCode, VarveError, isVarveError } from "../core/index.ts";

/** Primary result codes of SQLite, https://sqlite.org/rescode.html. */
const CODES: ReadonlyMap<number, ErrorCode> = new Map<number, ErrorCode>([
  [5, "busy"],
  [6, "busy"],
  [8, "storage"],
  [10, "storage"],
  [11, "corrupt"],
  [13, "storage"],
  [14, "storage"],
  [26, "corrupt"],
]);

/** Extended codes of a primary key or a unique column that holds the value already. */
const DUPLICATE: ReadonlySet<number> = new Set([1555, 2067, 2579]);

/** SQLite's extended result code of an error thrown by `node:sqlite`, or undefined. */
function sqliteCode(error: unknown): number | undefined {
  if (typeof error !== "object" || error === null || !("errcode" in error)) return undefined;
  return typeof error.errcode === "number" ? error.errcode : undefined;
}

/** True if another connection held the lock for longer than the busy timeout. */
export function isBusy(error: unknown): boolean {
  if (isVarveError(error, "busy")) return true;
  const primary = (sqliteCode(error) ?? 0) & 0xff;
  return primary === 5 || primary === 6;
}

/** An error of `node:sqlite` as a `VarveError`; anything else as it is. `doing` completes "Cannot …". */
export function toStateError(error: unknown, doing: string, path: string): unknown {
  const sqlite = sqliteCode(error);
  if (sqlite === undefined || error instanceof VarveError) return error;
  const code = DUPLICATE.has(sqlite) ? "already-exists" : (CODES.get(sqlite & 0xff) ?? "internal");
  const message = error instanceof Error ? error.message : String(error);
  return new VarveError(code, `Cannot ${doing}: ${message}`, {
    cause: error,
    details: { path, sqlite },
    ...(code === "corrupt"
      ? { hint: "The database is damaged. Stop every varve process, then restore the root from a copy or remove it." }
      : {}),
  });
}
