import { goQuote } from "../core/index.ts";
import { fault } from "../dockerfile/index.ts";
import { cleanPath, joinPath } from "../pattern/index.ts";

/**
 * Paths of Dockerfiles as BuildKit's `util/system` makes them for an operating system. The graph has slashes everywhere; on
 * Windows drive letters are dropped, and only `C:` has any.
 */

/** Backslashes of a Windows path as slashes. */
export function toSlash(path: string, os: string): string {
  return os === "windows" ? path.replaceAll("\\", "/") : path;
}

/**
 * A Windows path, cleaned, without its drive letter; any other as it is. `keepSlash` keeps a slash at the end. Throws
 * `invalid-build` for UNC paths, other drives, and a drive without a path.
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

export function isAbsolute(path: string, os: string): boolean {
  try {
    return withoutDrive(path, os, false).startsWith("/");
  } catch {
    return false;
  }
}

/**
 * `path` made absolute: relative to `parent`, and then cleaned; an absolute one stays as it is but for its drive. With
 * `keepSlash` a trailing slash or `/.` stays, which says that a copy's destination is a directory. Throws as `withoutDrive`.
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

/** Where a copy goes: relative to the working directory, which is itself named with a slash, being a directory. */
export function destinationPath(workdir: string, path: string, os: string): string {
  const own = withoutDrive(path, os, true);
  if (own.startsWith("/")) return absolutePath("/", own, os, true);
  return absolutePath(workdir, own === "." || own === "" ? "./" : own, os, true);
}

/** A working directory as the image's config has it: with backslashes on Windows. */
export function workdirPath(current: string, path: string, os: string): string {
  const absolute = absolutePath(current, path, os, false);
  return os === "windows" ? absolute.replaceAll("/", "\\") : absolute;
}
