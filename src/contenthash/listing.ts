import { byteStringOf, type ByteString } from "../linux/index.ts";
import { hasGlob, matchGlob, PatternMatcher, type MatchInfo } from "../pattern/index.ts";
import { utf8Of } from "./bytes.ts";
import { pathNotFound } from "./path-not-found.ts";
import { resolvePath, type ResolvedPath } from "./resolve.ts";
import type { ContentSelector, Tree, TreeNode } from "./types.ts";

/** An entry that a selector with a wildcard or patterns covers. The digest of a directory is that of its header only. */
export interface SelectedEntry {
  /** The path as the selector names it: symbolic links before the first wildcard are not resolved. */
  readonly path: ByteString;
  readonly node: TreeNode;
  /** If the entry is a symbolic link, use the digest of its target. */
  readonly follow: boolean;
}

export interface Listing {
  /** The prefix that is removed from each path: the selector's path, or its part before the first wildcard. */
  readonly prefix: ByteString;
  readonly entries: readonly SelectedEntry[];
}

interface Verdict {
  readonly included: boolean;
  readonly include: MatchInfo | undefined;
  readonly exclude: MatchInfo | undefined;
}

/** A directory above the current entry. It is listed before the first listed entry inside it. */
interface Parent extends Verdict {
  readonly entry: SelectedEntry;
  isListed: boolean;
}

/** Returns the elements of a pattern before the first one with a wildcard. */
function fixedPart(path: string): string {
  const parts = path.split("/");
  const first = parts.findIndex(hasGlob);
  return first < 0 ? path : parts.slice(0, first).join("/");
}

function startOf(tree: Tree, { path, wildcard }: ContentSelector): { prefix: ByteString; start: ResolvedPath } {
  const text = path === "/" ? "" : path;
  const prefix = byteStringOf(wildcard ? fixedPart(text) : text);
  return { prefix, start: resolvePath(tree, prefix, wildcard && prefix !== text) };
}

class Lister {
  readonly #selector: ContentSelector;
  readonly #include: PatternMatcher | undefined;
  readonly #exclude: PatternMatcher | undefined;
  readonly entries: SelectedEntry[] = [];

  constructor(selector: ContentSelector) {
    this.#selector = selector;
    const { includePatterns, excludePatterns } = selector;
    this.#include = includePatterns.length === 0 ? undefined : new PatternMatcher(includePatterns);
    this.#exclude = excludePatterns.length === 0 ? undefined : new PatternMatcher(excludePatterns);
  }

  /** Lists what the wildcard matches, at an entry and below it. */
  search(node: TreeNode, path: ByteString): void {
    if (matchGlob(this.#selector.path, utf8Of(path))) this.visit(node, path, path, []);
    else for (const [name, child] of node.entries()) this.search(child, `${path}/${name}`);
  }

  /** Lists an entry and everything below it, as far as the patterns include it. Patterns are relative to `base`. */
  visit(node: TreeNode, path: ByteString, base: ByteString, parents: readonly Parent[]): void {
    const parent = parents.at(-1);
    const verdict = this.#judge(utf8Of(path.slice(base.length + 1)), parent);
    const entry = { path, node, follow: parent === undefined && this.#selector.followLinks };
    // A selector of the root does not list the root directory itself.
    const isRoot = node.kind === "directory" && path === "" && this.#selector.path === "/";
    const current: Parent = { ...verdict, entry, isListed: false };
    if (verdict.included && !isRoot) {
      for (const above of parents) this.#list(above);
      this.#list(current);
    }
    const parentsOfChildren = node.kind === "directory" && !isRoot ? [...parents, current] : parents;
    for (const [name, child] of node.entries()) this.visit(child, `${path}/${name}`, base, parentsOfChildren);
  }

  #list(candidate: Parent): void {
    if (!candidate.isListed) this.entries.push(candidate.entry);
    candidate.isListed = true;
  }

  #judge(candidate: string, parent: Parent | undefined): Verdict {
    const include = this.#include?.match(candidate, parent?.include);
    if (include?.matched === false) return { included: false, include, exclude: undefined };
    const exclude = this.#exclude?.match(candidate, parent?.exclude);
    return { included: exclude?.matched !== true, include, exclude };
  }
}

/** Returns what a selector with a wildcard or patterns covers, in the order of the tree. Throws `not-found` for a required path. */
export function listSelected(tree: Tree, selector: ContentSelector): Listing {
  const { prefix, start } = startOf(tree, selector);
  const lister = new Lister(selector);
  if (start.node !== undefined) {
    if (selector.wildcard) lister.search(start.node, prefix);
    else lister.visit(start.node, prefix, prefix, []);
  }
  for (const required of selector.requiredPaths) {
    const bytes = byteStringOf(required);
    if (!lister.entries.some(({ path }) => path.startsWith(bytes))) throw pathNotFound(required);
  }
  return { prefix, entries: lister.entries };
}
