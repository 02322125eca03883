import { lstatSync } from "node:fs";
import type { Path } from "../linux/index.ts";
import { cleanPath, hasGlob, matchGlob } from "../pattern/index.ts";
import type { SourceEntry, SourceView } from "./source-view.ts";

/**
 * Returns the paths that match a pattern, absolute and in the order of a walk. `*`, `?` and `[…]` match as in Go's `path.Match`
 * and never match "/". The components before the first wildcard are a plain path, whose last link is followed with `follow`.
 * Links below it are not followed. A pattern without wildcards is returned as it is, even if it does not exist.
 */
export function expandWildcard(view: SourceView, pattern: string, { follow }: { readonly follow: boolean }): Path[] {
  const parts = cleanPath(`/${pattern}`).split("/").slice(1);
  const first = parts.findIndex(hasGlob);
  if (first < 0) return [`/${parts.join("/")}`];
  const base = view.get(`/${parts.slice(0, first).join("/")}`, { follow });
  const found: Path[] = [];
  match(view, base, parts.slice(first), (entry) => found.push(rootPath(entry, view)));
  return found;
}

function match(
  view: SourceView,
  directory: SourceEntry,
  parts: readonly string[],
  found: (entry: SourceEntry) => void,
): void {
  const [part, ...rest] = parts;
  if (part === undefined || !lstatSync(directory.path).isDirectory()) return;
  for (const entry of view.children(directory)) {
    if (!matchGlob(part, typeof entry.name === "string" ? entry.name : entry.name.toString("utf8"))) continue;
    if (rest.length === 0) found(entry);
    else match(view, entry, rest, found);
  }
}

function rootPath({ path }: SourceEntry, view: SourceView): Path {
  const from = view.prefix.length;
  return typeof path === "string" ? path.slice(from) : path.subarray(from);
}
