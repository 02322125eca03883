import type { ByteString } from "../linux/index.ts";
import { PathFilter } from "../pattern/index.ts";
import { followPatterns } from "./local-follow.ts";

/** Which entries of a directory belong to a context. */
export interface ContextPatterns {
  /** Patterns in the syntax of ignore files. If there are any, a path must match one. */
  readonly includePatterns?: readonly string[] | undefined;
  /** The lines of the ignore file. */
  readonly excludePatterns?: readonly string[] | undefined;
  /** Adds these paths, and the targets of links on the way, to the include patterns. `.` adds nothing. */
  readonly followPaths?: readonly string[] | undefined;
}

/** Returns the filter for a directory. Undefined if all entries belong to the context. */
export function contextFilter(root: ByteString, patterns: ContextPatterns): PathFilter | undefined {
  const { includePatterns = [], excludePatterns = [], followPaths = [] } = patterns;
  const followed = followPaths.length === 0 ? undefined : followPatterns(root, followPaths);
  const include = [...includePatterns, ...(followed ?? [])];
  if (include.length === 0 && excludePatterns.length === 0) return undefined;
  return new PathFilter({ include, exclude: excludePatterns });
}
