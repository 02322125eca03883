import { pathOfByteString } from "../../linux/index.ts";
import type { FileAspect, FileChange } from "../reason.ts";
import type { FileEntry } from "./entry.ts";
import { countOf, entriesOf, type FileChunk, type FileList } from "./list.ts";

export interface ListComparison {
  /** In the order of the newer list; what was removed comes last. */
  readonly changes: readonly FileChange[];
  /** True if at least half of the entries of the newer list are also in the older one, unchanged. */
  readonly isRelated: boolean;
}

/** Returns what differs between two lists. Throws `corrupt`. */
export function compareLists(before: FileList, after: FileList): ListComparison {
  const [old, now] = [entriesOf(without(before, after)), entriesOf(without(after, before))];
  const known = new Map(old.map(({ path, digest }) => [path, digest]));
  const other = now.filter(({ path, digest }) => known.get(path) !== digest).length;
  return { changes: compareEntries(old, now), isRelated: other * 2 <= countOf(after) };
}

/** Returns the chunks of a list that another one does not have. */
function without({ chunks }: FileList, other: FileList): FileChunk[] {
  const known = new Set(other.chunks.map(({ id }) => id));
  return chunks.filter(({ id }) => !known.has(id));
}

function compareEntries(before: readonly FileEntry[], after: readonly FileEntry[]): FileChange[] {
  const old = new Map(before.map((entry) => [entry.path, entry]));
  const paths = new Set(after.map(({ path }) => path));
  const removed = before.filter(({ path }) => !paths.has(path));
  const added = after.filter(({ path }) => !old.has(path));
  const renamed = renames(removed, added);
  const gone = new Set([...renamed.values()].map(({ path }) => path));
  const changes = after.flatMap((entry): FileChange[] => {
    const known = old.get(entry.path);
    const from = renamed.get(entry);
    if (from !== undefined) return [changeOf(entry, [{ kind: "renamed", from: shownPath(from.path) }])];
    if (known === undefined) return [changeOf(entry, [{ kind: "added" }])];
    const aspects = aspectsOf(known, entry);
    return aspects.length === 0 ? [] : [changeOf(entry, aspects)];
  });
  const lost = removed.filter(({ path }) => !gone.has(path));
  return withoutImplied([...changes, ...lost.map((entry) => changeOf(entry, [{ kind: "removed" }]))]);
}

/** Returns the files that were added with the content and the metadata of exactly one that was removed, with that one. */
function renames(removed: readonly FileEntry[], added: readonly FileEntry[]): Map<FileEntry, FileEntry> {
  const byDigest = Map.groupBy(removed.filter(isDistinct), ({ digest }) => digest);
  const takers = Map.groupBy(added.filter(isDistinct), ({ digest }) => digest);
  const found = new Map<FileEntry, FileEntry>();
  for (const [digest, [to, ...others]] of takers) {
    const [from, ...more] = byDigest.get(digest) ?? [];
    if (to !== undefined && from !== undefined && others.length + more.length === 0) found.set(to, from);
  }
  return found;
}

/** True for an entry that others are not equal to by chance. */
function isDistinct({ kind, size }: FileEntry): boolean {
  return kind === "file" && size > 0;
}

function aspectsOf(before: FileEntry, after: FileEntry): FileAspect[] {
  if (before.kind !== after.kind) return [{ kind: "type", before: before.kind, after: after.kind }];
  const aspects: FileAspect[] = [];
  const [owner, newOwner] = [ownerOf(before), ownerOf(after)];
  const names = changedXattrs(before, after);
  if (before.link !== after.link)
    aspects.push({ kind: "target", before: shownPath(before.link, ""), after: shownPath(after.link, "") });
  if (before.mode !== after.mode) aspects.push({ kind: "mode", before: before.mode, after: after.mode });
  if (owner !== newOwner) aspects.push({ kind: "owner", before: owner, after: newOwner });
  if (names.length > 0) aspects.push({ kind: "xattr", names });
  const isOther = before.digest !== after.digest;
  // The digest covers all of this, so it does not say whether the content of the same size differs too.
  const isContent = before.size !== after.size || (isOther && aspects.length === 0);
  return isContent ? [{ kind: "content", before: before.size, after: after.size }, ...aspects] : aspects;
}

function ownerOf({ uid, gid }: FileEntry): string {
  return `${uid}:${gid}`;
}

function changedXattrs(before: FileEntry, after: FileEntry): string[] {
  const old = new Map(before.xattrs);
  const now = new Map(after.xattrs);
  return [...new Set([...old.keys(), ...now.keys()])].filter((name) => old.get(name) !== now.get(name));
}

/** Leaves out what is in a directory that was added or removed as a whole. */
function withoutImplied(changes: readonly FileChange[]): FileChange[] {
  const whole = new Map(
    changes.flatMap(({ path, aspects: [aspect] }) =>
      aspect?.kind === "added" || aspect?.kind === "removed" ? [[withoutSlash(path), aspect.kind] as const] : [],
    ),
  );
  return changes.filter(({ path, aspects: [aspect] }) => {
    const slash = withoutSlash(path).lastIndexOf("/");
    return slash < 0 || aspect === undefined || whole.get(path.slice(0, slash)) !== aspect.kind;
  });
}

function withoutSlash(path: string): string {
  return path.endsWith("/") ? path.slice(0, -1) : path;
}

function changeOf({ path, kind }: FileEntry, aspects: readonly FileAspect[]): FileChange {
  return { kind: "file", path: `${shownPath(path)}${kind === "directory" ? "/" : ""}`, aspects };
}

/** Returns a path as it is shown: relative, as UTF-8, without control characters. */
function shownPath(path: string, root = "/"): string {
  const text = pathOfByteString(path.startsWith(root) ? path.slice(root.length) : path).toString();
  return text.replace(/\p{Cc}/gu, "\u{fffd}");
}
