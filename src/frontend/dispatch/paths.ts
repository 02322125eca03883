import { goQuote } from "../../core/index.ts";
import { fault } from "../../dockerfile/index.ts";
import { cleanPath, joinPath } from "../../pattern/index.ts";

/**
 * Paths of Dockerfiles, normalized for an operating system as by BuildKit's `util/system`. Paths in the graph have slashes and no
 * drive letter. On Windows only the drive `C:` is supported.
 */

/** Replaces the backslashes of a Windows path by slashes. */
export function toSlash(path: string, os: string): string {
  return os === "windows" ? path.replaceAll("\\", "/") : path;
}

/**
 * Returns a Windows path, cleaned and without its drive letter. Other paths are returned unchanged. `keepSlash` keeps a slash at
 * the end.
 * @throws {VarveError} `invalid-build` for UNC paths, other drives, and a drive without a path.
 */
export function withoutDrive(path: string, os: string, keepSlash: boolean): string {
  if (os !== "windows") return path;
  if (path.length === 2 && path.endsWith(":")) throw fault(`No relative path specified in ${goQuote(path)}`);
  const slashed = toSlash(path, os);
  if (slashed.startsWith("//")) throw fault("UNC paths are not supported");
  const colon = slashed.indexOf(":");
  if (colon >= 0 && slashed.slice(0, colon).toLowerCase() !== "c")
    throw fault("The specified path is not on the system drive (C:)");
  const rest = slashed.slice(colon + 1);
  const clean = cleanPath(rest);
  return keepSlash && clean.length > 1 && rest.endsWith("/") ? `${clean}/` : clean;
}

/** True if a path is absolute on the operating system. */
export function isAbsolute(path: string, os: string): boolean {
  try {
    return withoutDrive(path, os, false).startsWith("/");
  } catch {
    return false;
  }
}

/**
 * Makes `path` absolute. A relative path is joined to `parent` and cleaned; an absolute path only loses its drive. With
 * `keepSlash`, a trailing slash or `/.` stays: it marks the destination of a copy as a directory.
 * @throws {VarveError} `invalid-build`, as `withoutDrive`.
 */
export function absolutePath(parent: string, path: string, os: string, keepSlash: boolean): string {
  const given = toSlash(path, os);
  const above = withoutDrive(toSlash(parent, os) || "/", os, keepSlash);
  const base = above.startsWith("/") ? above : joinPath("/", above);
  const own = withoutDrive(given === "" ? base : given, os, keepSlash);
  const absolute = own.startsWith("/") ? own : joinPath(base, own);
  if (!keepSlash) return absolute;
  if (given.endsWith("/") && !absolute.endsWith("/")) return `${absolute}/`;
  if (given.endsWith("/.")) return absolute === "/" ? "/." : `${absolute}/.`;
  return absolute;
}

/** Returns the absolute destination of a copy. The working directory itself ends in a slash, because it is a directory. */
export function destinationPath(workdir: string, path: string, os: string): string {
  const own = withoutDrive(path, os, true);
  if (own.startsWith("/")) return absolutePath("/", own, os, true);
  return absolutePath(workdir, own === "." || own === "" ? "./" : own, os, true);
}

/** Returns a working directory in the form of image configs: with backslashes on Windows. */
export function workdirPath(current: string, path: string, os: string): string {
  const absolute = absolutePath(current, path, os, false);
  return os === "windows" ? absolute.replaceAll("/", "\\") : absolute;
}
