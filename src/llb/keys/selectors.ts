import { type Digest, compareBytes, digestOf } from "../../core/index.ts";

/** Returns the digest that qualifies a definition key by paths: that of the paths, in the given order, joined by NUL. */
export function selectorDigest(paths: readonly string[]): Digest {
  return digestOf(paths.join("\0"));
}

/** Returns the paths sorted by bytes, without duplicates and without paths below another path. */
export function dedupePaths(paths: readonly string[]): string[] {
  if (paths.length <= 1) return [...paths];
  const distinct = [...new Set(paths)];
  const isBelow = (path: string, other: string): boolean =>
    path !== other && path.startsWith(other.endsWith("/") ? other : `${other}/`);
  return distinct.filter((path) => !distinct.some((other) => isBelow(path, other))).sort(compareBytes);
}
