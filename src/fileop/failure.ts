import { type ErrorCode, VarveError, errnoOf, toVarveError } from "../core/index.ts";
import { isRootUser } from "../linux/index.ts";

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "not found",
  ENOTDIR: "not a directory",
  EISDIR: "is a directory",
  EEXIST: "exists",
  ELOOP: "too many links",
  ENAMETOOLONG: "name too long",
  EACCES: "permission denied",
  EPERM: "operation not permitted",
};

/** A path of a tree as its reader knows it: without where the tree is on this machine. */
export function shownPath(path: string): string {
  const shown = path.replace(/^\/proc\/self\/fd\/\d+(?:\/\.)?(?=\/|$)/, "");
  return shown === "" ? "/" : shown;
}

/** What a failed file operation is for the build: "lstat /a: not found". */
export function actionFailure(error: unknown, doing: string): VarveError {
  const reason = REASONS[errnoOf(error) ?? ""];
  if (error instanceof VarveError || reason === undefined) return toVarveError(error, doing);
  const { code, path, syscall } = error as NodeJS.ErrnoException;
  const shown = path === undefined ? undefined : shownPath(path);
  const what = shown === undefined ? reason : `${syscall ?? "open"} ${shown}: ${reason}`;
  const failure = failureCode(code);
  return new VarveError(failure, `Cannot ${doing}: ${what}`, {
    cause: error,
    details: { errno: code, path: shown },
    ...(failure === "unsupported" ? { hint: "Run as root: only root can give files to others." } : {}),
  });
}

/** What a user other than root is not permitted is no fault of the Dockerfile. */
function failureCode(errno: string | undefined): ErrorCode {
  if (errno === "ENOENT") return "not-found";
  return errno === "EPERM" && !isRootUser() ? "unsupported" : "invalid-build";
}
