import { constants } from "node:os";
import { getSystemErrorMessage, getSystemErrorName } from "node:util";
import { type Path, showPath } from "./path.ts";

/** The positive numbers of errors: `Errno.ENOENT`. */
export const Errno: typeof constants.errno = constants.errno;

/** A failed system call, in the shape of Node's own: `code` "EPERM", `errno` negative, `syscall`, `path`. */
export interface SystemError extends Error {
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;
  readonly path?: string | undefined;
  readonly dest?: string | undefined;
}

function errnoName(errno: number): string {
  try {
    return getSystemErrorName(-errno);
  } catch {
    return `E${errno}`;
  }
}

/** The error for a call that failed with `errno` (positive). */
export function systemError(errno: number, syscall: string, path?: Path, dest?: Path): SystemError {
  const code = errnoName(errno);
  const names = [path, dest].filter((p) => p !== undefined).map((p) => `'${showPath(p)}'`);
  const message = `${code}: ${getSystemErrorMessage(-errno) ?? `error ${errno}`}, ${syscall} ${names.join(" -> ")}`;
  return Object.assign(new Error(message.trimEnd()), {
    code,
    errno: -errno,
    syscall,
    ...(path === undefined ? {} : { path: showPath(path) }),
    ...(dest === undefined ? {} : { dest: showPath(dest) }),
  });
}
