import { byteStringOf, type ByteString } from "../linux/index.ts";
import { hasGlob, matchGlob, PatternMatcher, type MatchInfo } from "../pattern/index.ts";
import { textOf } from "./bytes.ts";
import { missingPath } from "./missing.ts";
import { resolvePlace, type Place } from "./resolve.ts";
import type { ContentSelector, Tree, TreeNode } from "./types.ts";

/** An entry that a selector with a wildcard or patterns covers. Of a directory only the header counts. */
export interface Listed {
  /** As the selector names it, links in its fixed part not replaced. */
  readonly path: ByteString;
  readonly node: TreeNode;
  /** If the entry is a link, its target's digest stands for it. */
  readonly follow: boolean;
}

export interface Listing {
  /** What is cut off the front of each path: the selector's path, or its part without wildcards. */
  readonly prefix: ByteString;
  readonly entries: readonly Listed[];
}

interface Verdict {
  readonly included: boolean;
  readonly include: MatchInfo | undefined;
  readonly exclude: MatchInfo | undefined;
}

/** A directory on the way to the entry looked at, listed in front of the first entry of it that is. */
interface Parent extends Verdict {
  readonly listed: Listed;
  taken: boolean;
}

/** The part of a pattern in front of its first element with a wildcard; empty if there is none. */
function fixedPart(path: string): string {
  const parts = path.split("/");
  const first = parts.findIndex(hasGlob);
  return first < 0 ? path : parts.slice(0, first).join("/");
}

function startOf(tree: Tree, { path, wildcard }: ContentSelector): { prefix: ByteString; place: Place } {
  const text = path === "/" ? "" : path;
  const prefix = byteStringOf(wildcard ? fixedPart(text) : text);
  return { prefix, place: resolvePlace(tree, prefix, wildcard && prefix !== text) };
}

class Lister {
  readonly #selector: ContentSelector;
  readonly #include: PatternMatcher | undefined;
  readonly #exclude: PatternMatcher | undefined;
  readonly entries: Listed[] = [];

  constructor(selector: ContentSelector) {
    this.#selector = selector;
    const { includePatterns, excludePatterns } = selector;
    this.#include = includePatterns.length === 0 ? undefined : new PatternMatcher(includePatterns);
    this.#exclude = excludePatterns.length === 0 ? undefined : new PatternMatcher(excludePatterns);
  }

  /** Looks for what the wildcard matches, below and at an entry. */
  search(node: TreeNode, path: ByteString): void {
    if (matchGlob(this.#selector.path, textOf(path))) this.visit(node, path, path, []);
    else for (const [name, child] of node.entries()) this.search(child, `${path}/${name}`);
  }

  /** Takes an entry and what is below it; patterns are relative to `base`. */
  visit(node: TreeNode, path: ByteString, base: ByteString, parents: readonly Parent[]): void {
    const parent = parents.at(-1);
    const verdict = this.#judge(textOf(path.slice(base.length + 1)), parent);
    const listed = { path, node, follow: parent === undefined && this.#selector.followLinks };
    // A selector of the root does not list the root's own header.
    const isRoot = node.kind === "directory" && path === "" && this.#selector.path === "/";
    const here: Parent = { ...verdict, listed, taken: false };
    if (verdict.included && !isRoot) {
      for (const above of parents) this.#take(above);
      this.#take(here);
    }
    const below = node.kind === "directory" && !isRoot ? [...parents, here] : parents;
    for (const [name, child] of node.entries()) this.visit(child, `${path}/${name}`, base, below);
  }

  #take(parent: Parent): void {
    if (!parent.taken) this.entries.push(parent.listed);
    parent.taken = true;
  }

  #judge(candidate: string, parent: Parent | undefined): Verdict {
    const include = this.#include?.match(candidate, parent?.include);
    if (include?.matched === false) return { included: false, include, exclude: undefined };
    const exclude = this.#exclude?.match(candidate, parent?.exclude);
    return { included: exclude?.matched !== true, include, exclude };
  }
}

/** Lists what a selector with a wildcard or patterns covers, in the order of the tree. Throws `not-found` if a required path is missing. */
export function listSelected(tree: Tree, selector: ContentSelector): Listing {
  const { prefix, place } = startOf(tree, selector);
  const lister = new Lister(selector);
  if (place.node !== undefined) {
    if (selector.wildcard) lister.search(place.node, prefix);
    else lister.visit(place.node, prefix, prefix, []);
  }
  for (const required of selector.requiredPaths) {
    const bytes = byteStringOf(required);
    if (!lister.entries.some(({ path }) => path.startsWith(bytes))) throw missingPath(required);
  }
  return { prefix, entries: lister.entries };
}
