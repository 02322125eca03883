import { VarveError } from "../core/index.ts";
import { parsePattern, type Pattern } from "./pattern.ts";

export type { Pattern } from "./pattern.ts";

/** The result for a directory, used for the paths in it. */
export interface MatchInfo {
  readonly matched: boolean;
  /** For each pattern, whether it matched the path or one of its parents. */
  readonly perPattern: readonly boolean[];
}

/**
 * An ordered list of ignore patterns with the semantics of `github.com/moby/patternmatcher`: `**`, `!` to exclude
 * paths again, the last match wins, and a match of a directory applies to everything below it. Paths are slash paths relative to the
 * root, without a leading slash. Throws `invalid-build` for a malformed pattern.
 */
export class PatternMatcher {
  readonly patterns: readonly Pattern[];
  /** Some pattern begins with `!`. */
  readonly hasExclusions: boolean;

  constructor(lines: readonly string[]) {
    this.patterns = lines.map(parsePattern).filter((pattern) => pattern !== undefined);
    this.hasExclusions = this.patterns.some((pattern) => pattern.exclusion);
  }

  /** True if the path, or a parent of it, matches and no later `!` excludes it again. */
  matches(path: string): boolean {
    return this.match(path).matched;
  }

  /** As `matches`; in a walk, `parent` is the result of this method for the path's directory, so that parents are not matched again. */
  match(path: string, parent?: MatchInfo): MatchInfo {
    if (parent !== undefined && parent.perPattern.length !== this.patterns.length)
      throw new VarveError("internal", "Cannot match a path: the parent was matched against other patterns");
    const perPattern: boolean[] = [];
    let matched = false;
    for (const [index, pattern] of this.patterns.entries()) {
      const hit =
        parent?.perPattern[index] === true ||
        (pattern.exclusion === matched &&
          (parent === undefined ? pattern.matchesParents(path) : pattern.matches(path)));
      perPattern.push(hit);
      if (hit) matched = !pattern.exclusion;
    }
    return { matched, perPattern };
  }
}
