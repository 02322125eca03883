import { compareBytes, errnoOf } from "../core/index.ts";
import { type ByteString, byteStringOf, pathOfByteString } from "../linux/index.ts";
import { basePath, cleanPath, dirPath, hasGlob, joinPath, matchGlob } from "../pattern/index.ts";
import { readNames, statEntry } from "../contenthash/index.ts";
import { readlinkSync } from "node:fs";

/** Finds the paths that a context must contain so that its links can be followed: FollowLinks of `tonistiigi/fsutil`. */
class Follower {
  readonly #root: ByteString;
  readonly found = new Set<string>();

  constructor(root: ByteString) {
    this.#root = root;
  }

  /** Walks one path element by element. At a link, adds the link and goes on with its target and the rest of the path. */
  follow(path: string): void {
    const pending = [path];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) pending.push(...this.#walk(next));
  }

  /** Returns the paths to follow instead. */
  #walk(path: string): string[] {
    const parts = cleanPath(`/${path}`).slice(1).split("/");
    let current = "";
    for (const [index, part] of parts.entries()) {
      current = joinPath(current, part) || ".";
      const targets = this.#targets(current);
      const rest = parts.slice(index + 1).join("/");
      if (targets.length === 0 && rest !== "") continue;
      if (this.found.has(current)) return [];
      this.found.add(current);
      return targets.map((target) => joinPath(target, rest)).reverse();
    }
    return [];
  }

  /** Returns the target of a link as a path from the root. If the last element is a wildcard, returns those of all matches. */
  #targets(path: string): string[] {
    if (path === ".") return [];
    const base = basePath(path);
    if (!hasGlob(base)) return this.#readLink(path);
    const directory = dirPath(path);
    return this.#names(directory)
      .filter((name) => matchGlob(base, name))
      .flatMap((name) => this.#readLink(joinPath(directory, name)));
  }

  #names(directory: string): string[] {
    try {
      return readNames(this.#absolute(directory)).map((name) => pathOfByteString(name).toString());
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  }

  #readLink(path: string): string[] {
    try {
      const absolute = this.#absolute(path);
      if (statEntry(absolute)?.kind !== "symlink") return [];
      const target = readlinkSync(pathOfByteString(absolute), "utf8");
      return [target.startsWith("/") ? cleanPath(target) : joinPath("/", dirPath(path), target)];
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  }

  #absolute(path: string): ByteString {
    return path === "." ? this.#root : `${this.#root}/${byteStringOf(path)}`;
  }
}

function isMissing(error: unknown): boolean {
  const errno = errnoOf(error);
  return errno === "ENOENT" || errno === "ENOTDIR" || errno === "ENAMETOOLONG" || errno === "EACCES";
}

/** Removes paths below others. Returns undefined if one of them is the root. */
function withoutNested(paths: readonly string[]): string[] | undefined {
  const kept: string[] = [];
  for (const path of paths) {
    if (path === ".") return undefined;
    const last = kept.at(-1);
    if (last === undefined || !path.startsWith(`${last}/`)) kept.push(path);
  }
  return kept;
}

/**
 * Returns the include patterns that a context needs so that `paths` can be read through symbolic links: the paths themselves,
 * the links, and their targets inside the root. Undefined means everything.
 */
export function followPatterns(root: ByteString, paths: readonly string[]): string[] | undefined {
  const follower = new Follower(root);
  for (const path of paths) follower.follow(path);
  const found = [...follower.found].sort(compareBytes);
  return withoutNested(found);
}
