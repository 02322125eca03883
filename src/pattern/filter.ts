import { type MatchInfo, type Pattern, PatternMatcher } from "./matcher.ts";

export interface PathFilterOptions {
  /** A path must match one of these, or lie below one that does. None given: every path does. */
  readonly include?: readonly string[] | undefined;
  /** A path that matches one of these is excluded. */
  readonly exclude?: readonly string[] | undefined;
}

/** The filter's result for one path. Pass it as `parent` for the paths in that directory. */
export interface PathVerdict {
  /** The path is part of the filtered tree. A directory that is not may still be a parent of paths that are. */
  readonly included: boolean;
  /** Something below this directory may be included; if false a walk need not look into it. */
  readonly descend: boolean;
  readonly includeInfo?: MatchInfo | undefined;
  readonly excludeInfo?: MatchInfo | undefined;
}

const GLOB = /[*[\]?^\\]/;

/** Without a final `/**` and a final `/*`: these match only what is below. */
function withoutTrailingGlob({ text }: Pattern): string {
  const shorter = text.endsWith("/**") ? text.slice(0, -3) : text;
  return shorter.endsWith("/*") ? shorter.slice(0, -2) : shorter;
}

/** The fixed paths of patterns, each with a trailing slash, or undefined if one of them is no fixed path. */
function fixedPaths(patterns: readonly Pattern[]): readonly string[] | undefined {
  const paths = patterns.map(withoutTrailingGlob);
  return paths.some((path) => GLOB.test(path)) ? undefined : paths.map((path) => `${path}/`);
}

/**
 * Decides during a walk which paths belong to a tree filtered by include and exclude patterns, as `tonistiigi/fsutil`'s
 * FilterFS. Its result tells which directories can be skipped. The walk goes from parents to children.
 */
export class PathFilter {
  readonly #include: PatternMatcher | undefined;
  readonly #exclude: PatternMatcher | undefined;
  readonly #included: readonly string[] | undefined;
  readonly #exceptions: readonly string[] | undefined;

  constructor({ include = [], exclude = [] }: PathFilterOptions) {
    this.#include = include.length === 0 ? undefined : new PatternMatcher(include);
    this.#exclude = exclude.length === 0 ? undefined : new PatternMatcher(exclude);
    this.#included = fixedPaths(this.#include?.patterns.filter((pattern) => !pattern.exclusion) ?? []);
    this.#exceptions = fixedPaths(this.#exclude?.patterns.filter((pattern) => pattern.exclusion) ?? []);
  }

  /** `parent` is undefined for paths directly in the root. */
  check(path: string, parent?: PathVerdict): PathVerdict {
    const includeInfo = this.#include?.match(path, parent?.includeInfo);
    const excludeInfo = this.#exclude?.match(path, parent?.excludeInfo);
    const chosen = includeInfo?.matched ?? true;
    const excluded = excludeInfo?.matched ?? false;
    const descend = (chosen || mayHold(this.#included, path)) && (!excluded || mayHold(this.#exceptions, path));
    return {
      included: chosen && !excluded,
      descend,
      includeInfo,
      excludeInfo,
    };
  }

  /** Whether one path belongs to the tree, without a walk. */
  includes(path: string): boolean {
    return this.check(path).included;
  }
}

function mayHold(fixed: readonly string[] | undefined, path: string): boolean {
  const below = `${path}/`;
  return fixed === undefined || fixed.some((candidate) => candidate.startsWith(below));
}
