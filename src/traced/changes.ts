import type { ByteString } from "../linux/index.ts";
import { type LayerDirectory, type LayerEntry, type LayerFile, ancestorsOf } from "./layer-entry.ts";

/** How a path differs between two trees. Times never count, as in cache keys: those of a new checkout are all different. */
export interface TreeChange {
  readonly path: ByteString;
  /**
   * `content`: a regular file with the same attributes has other bytes. `attributes`: mode, owner, extended attributes, or the target of a
   * link. `type`: another type of file.
   */
  readonly kind: "added" | "removed" | "content" | "attributes" | "type";
}

type Present = LayerFile | LayerDirectory;

/** What layers, one on top of the other, say of paths. Paths that they do not mention are those of the tree below. */
export type LayerStack = ReadonlyMap<ByteString, Present | "absent">;

/** Stacks the entries of layers, lowest layer first. */
export function stackLayers(layers: Iterable<readonly LayerEntry[]>): LayerStack {
  const stack = new Map<ByteString, Present | "absent">();
  for (const entries of layers) {
    const hidden = new Set<ByteString>();
    for (const entry of entries) if (hides(entry, stack.get(entry.path))) hidden.add(entry.path);
    if (hidden.size > 0) hideBelow(stack, hidden);
    for (const entry of entries)
      stack.set(entry.path, entry.kind === "deletion" ? "absent" : onTop(entry, stack.get(entry.path)));
  }
  return stack;
}

/**
 * Returns the entries of a layer that is kept in several directories, each a new version of the ones before (`Snapshotter.upperDirs`).
 * A version deletes what earlier ones have, and nothing of the tree below.
 */
export function joinVersions(versions: readonly (readonly LayerEntry[])[]): readonly LayerEntry[] {
  const [first = [], ...later] = versions;
  if (later.length === 0) return first;
  const joined = new Map(first.map((entry) => [entry.path, entry]));
  for (const entries of later) {
    const hidden = new Set<ByteString>();
    for (const entry of entries) if (hides(entry, joined.get(entry.path))) hidden.add(entry.path);
    if (hidden.size > 0) for (const path of joined.keys()) if (isBelow(path, hidden)) joined.delete(path);
    for (const entry of entries) {
      if (entry.kind === "deletion") joined.delete(entry.path);
      else joined.set(entry.path, onTop(entry, joined.get(entry.path)));
    }
  }
  return [...joined.values()];
}

function isBelow(path: ByteString, directories: ReadonlySet<ByteString>): boolean {
  return ancestorsOf(path).some((above) => directories.has(above));
}

/** Returns an entry as it shows on top of another one: what a lower layer hides of a directory stays hidden. */
function onTop(entry: Present, below: LayerEntry | "absent" | undefined): Present {
  if (entry.kind !== "directory" || below === undefined) return entry;
  const hides = below === "absent" || below.kind !== "directory" || below.opaque;
  return hides && !entry.opaque ? { ...entry, opaque: true } : entry;
}

/** True if an entry hides everything that lower layers have below its path. */
function hides(entry: LayerEntry, below: LayerEntry | "absent" | undefined): boolean {
  if (below === undefined || below === "absent" || below.kind !== "directory") return false;
  return entry.kind !== "directory" || entry.opaque;
}

function hideBelow(stack: Map<ByteString, Present | "absent">, hidden: ReadonlySet<ByteString>): void {
  for (const path of stack.keys()) if (isBelow(path, hidden)) stack.set(path, "absent");
}

/** Yields how the tree with the layers `after` differs from the one with the layers `before`, if both are on top of the same tree. */
export function* compareStacks(before: LayerStack, after: LayerStack): Generator<TreeChange> {
  for (const [path, now] of after) {
    const change = compareStates(path, before.get(path), now);
    if (change !== undefined) yield change;
  }
  for (const [path, then] of before) {
    if (after.has(path)) continue;
    // The tree below may have the path, in which case it is not what the layer had.
    yield { path, kind: then === "absent" ? "added" : "removed" };
  }
}

type State = Present | "absent";

function compareStates(path: ByteString, then: State | undefined, now: State): TreeChange | undefined {
  if (then === now) return undefined;
  if (now === "absent") return { path, kind: "removed" };
  if (then === undefined || then === "absent") return { path, kind: "added" };
  if (then.attributes !== now.attributes && then.kind === now.kind) return { path, kind: "attributes" };
  if (then.kind === "directory" && now.kind === "directory") {
    return then.opaque === now.opaque ? undefined : { path, kind: "type" };
  }
  if (then.kind === "directory" || now.kind === "directory" || then.kind !== now.kind) return { path, kind: "type" };
  return then.content === now.content ? undefined : { path, kind: "content" };
}
