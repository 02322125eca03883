import { type ErrorCode, VarveError, errnoOf, toVarveError } from "../core/index.ts";
import { isRootUser, ownIdMaps } from "../linux/index.ts";

/** The texts of Go, which clients of BuildKit look for. */
const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "no such file or directory",
  ENOTDIR: "not a directory",
  EISDIR: "is a directory",
  EEXIST: "file exists",
  ELOOP: "too many levels of symbolic links",
  ENAMETOOLONG: "file name too long",
  EACCES: "permission denied",
  EPERM: "operation not permitted",
};

const AS_USER = "Run as root: only root can change the owners of files.";
const IN_NAMESPACE = "Run as root: nobody can make devices in a user namespace.";

/** Returns a path relative to its tree's root, without the tree's location on this machine. */
export function pathInTree(path: string): string {
  const shown = path.replace(/^\/proc\/self\/fd\/\d+(?:\/\.)?(?=\/|$)/, "");
  return shown === "" ? "/" : shown;
}

/**
 * Converts an error of a file operation. The message ends as in "lstat /a: no such file or directory". `doing` completes "Cannot …".
 */
export function actionFailure(error: unknown, doing: string): VarveError {
  const errno = errnoOf(error);
  const reason = REASONS[errno ?? ""];
  if (error instanceof VarveError || reason === undefined) return toVarveError(error, doing);
  const { path, syscall } = systemCallOf(error);
  const shown = path === undefined ? undefined : pathInTree(path);
  const state = shown === undefined ? reason : `${syscall ?? "open"} ${shown}: ${reason}`;
  const code = failureCode(errno);
  return new VarveError(code, `Cannot ${doing}: ${state}`, {
    cause: error,
    details: { errno, path: shown },
    hint: code === "unsupported" ? (isRootUser() ? IN_NAMESPACE : AS_USER) : undefined,
  });
}

/** The `path` and `syscall` that Node attaches to errors of system calls. */
function systemCallOf(error: unknown): { readonly path: string | undefined; readonly syscall: string | undefined } {
  if (!(error instanceof Error)) return { path: undefined, syscall: undefined };
  return {
    path: "path" in error && typeof error.path === "string" ? error.path : undefined,
    syscall: "syscall" in error && typeof error.syscall === "string" ? error.syscall : undefined,
  };
}

/** Whether this process has not all rights of the machine's root. */
function isLimited(): boolean {
  return !isRootUser() || ownIdMaps() !== undefined;
}

/** EPERM for a user other than root is a lack of privileges and not an error in the Dockerfile. */
function failureCode(errno: string | undefined): ErrorCode {
  if (errno === "ENOENT") return "not-found";
  return errno === "EPERM" && isLimited() ? "unsupported" : "invalid-build";
}
