import { accessSync, closeSync, constants, existsSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { errnoOf } from "../core/index.ts";

export interface Explanation {
  /** In the place of SQLite's own words, where it has none. */
  readonly state?: string | undefined;
  readonly hint: string;
}

const UNUSABLE: ReadonlyMap<string, Explanation> = new Map([
  [
    "EROFS",
    {
      state: "its filesystem is read-only",
      hint: "Use a root on a filesystem that can be written to: varve --root DIR, or VARVE_ROOT.",
    },
  ],
  [
    "EACCES",
    { state: "permission denied", hint: "Run as the root's owner, or use a root of your own: varve --root DIR." },
  ],
  ["EMFILE", { state: "too many open files", hint: "Raise the limit on open files, for example with ulimit -n 1024." }],
  ["ENOSPC", { state: "no inode is free", hint: "Remove files from the filesystem of the root." }],
  ["ENOTDIR", { state: "a part of its path is not a directory", hint: "Use another root: varve --root DIR." }],
]);

/** Opens as many files as a database does. */
function openSome(path: string): void {
  using stack = new DisposableStack();
  for (let count = 0; count < 4; count += 1) stack.adopt(openSync(path, constants.O_RDONLY), closeSync);
}

/**
 * Why the files of a database cannot be opened, where SQLite only says that. The database itself is not opened to find out:
 * closing it would release the locks of its connections.
 */
export function whyUnusable(path: string): Explanation | undefined {
  const directory = dirname(path);
  try {
    accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK);
    if (existsSync(path)) accessSync(path, constants.R_OK | constants.W_OK);
    rmSync(mkdtempSync(join(directory, ".probe-")), { recursive: true });
    openSome(directory);
    return undefined;
  } catch (error) {
    return UNUSABLE.get(errnoOf(error) ?? "");
  }
}
