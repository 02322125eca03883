import { type Digest, compareBytes, digestOf } from "../../core/index.ts";

/** The digest that limits a definition key to some paths of an input: the paths joined by NUL, in the order given. */
export function selectorDigest(paths: readonly string[]): Digest {
  return digestOf(paths.join("\0"));
}

/** The paths sorted by bytes, without repetitions and without those below another one. */
export function dedupePaths(paths: readonly string[]): string[] {
  if (paths.length <= 1) return [...paths];
  const distinct = [...new Set(paths)];
  const isBelow = (path: string, other: string): boolean =>
    path !== other && path.startsWith(other.endsWith("/") ? other : `${other}/`);
  return distinct.filter((path) => !distinct.some((other) => isBelow(path, other))).sort(compareBytes);
}
