import { type ErrorCode, VarveError, errnoOf, isVarveError, messageOf } from "../core/index.ts";
import { type Explanation, whyUnusable } from "./unusable.ts";

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

/** Codes of a disk without space: FULL; IOERR_WRITE, as which SQLite reports an exceeded quota; IOERR_SHMSIZE of the log's index. */
const FULL: ReadonlySet<number> = new Set([13, 778, 4874]);
/** CANTOPEN, and IOERR_SHMOPEN of the log's index: what an additional file has ended in, for want of an inode or otherwise. */
const UNOPENED: ReadonlySet<number> = new Set([14, 4618]);
const FULL_ERRNOS: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT"]);

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

/** `full` if a filesystem or a quota has run out of space, `unopened` if a file could not be made, for whatever reason. */
export function spaceFailure(error: unknown): "full" | "unopened" | undefined {
  const sqlite = isVarveError(error) ? error.details.sqlite : sqliteCode(error);
  if (typeof sqlite === "number") return FULL.has(sqlite) ? "full" : UNOPENED.has(sqlite) ? "unopened" : undefined;
  const errno = isVarveError(error) ? error.details.errno : errnoOf(error);
  return typeof errno === "string" && FULL_ERRNOS.has(errno) ? "full" : undefined;
}

/** An error of `node:sqlite` as a `VarveError`; anything else as it is. `doing` completes "Cannot …". */
export function toStateError(error: unknown, doing: string, path: string): unknown {
  const sqlite = sqliteCode(error);
  if (sqlite === undefined || error instanceof VarveError) return error;
  const code = DUPLICATE.has(sqlite) ? "already-exists" : (CODES.get(sqlite & 0xff) ?? "internal");
  const message = messageOf(error);
  const found = explain(error, code, path);
  return new VarveError(code, `Cannot ${doing}: ${found?.state ?? message}`, {
    cause: error,
    details: { path, sqlite },
    hint: found?.hint,
  });
}

function explain(error: unknown, code: ErrorCode, path: string): Explanation | undefined {
  if (code === "corrupt")
    return {
      hint: "The database is damaged. Stop every varve process, then restore the root from a copy or remove it.",
    };
  if (spaceFailure(error) === "full")
    return { hint: "Free space on the filesystem of the root; varve prune --all removes what can be made again." };
  return code === "storage" ? whyUnusable(path) : undefined;
}
