import { type Digest, VarveError, digestOf } from "../../core/index.ts";
import { type ByteString, lgetxattr, llistxattr, pathOfByteString } from "../../linux/index.ts";
import type { Draft, DraftEntry, DraftFile } from "./draft.ts";

/** What a listing says about an entry of a layer. */
export interface ListedEntry {
  /** The type in three letters; a directory that hides the one below it has another one than other directories. */
  readonly kind: string;
  /** Equal for two versions of a file that are equal: content, metadata, time, extended attributes, and its other names. */
  readonly key: string;
}

/** The entries of a layer by path. */
export type Listing = ReadonlyMap<ByteString, ListedEntry>;

/** What differs between two versions of a layer. */
export interface ListingChanges {
  /** Paths of entries that the later version does not have. */
  readonly removed: readonly ByteString[];
  /** Paths of entries that are new or not the same. */
  readonly changed: readonly ByteString[];
  /** Those of the changed paths that had an entry of another kind. */
  readonly replaced: readonly ByteString[];
}

/** Layers of more entries are not listed. Listings are kept in memory and in the database: 150 bytes for an entry. */
export const MAX_LISTED = 200_000;

/**
 * Lists the entries that a draft describes. `contentOf` returns a text that identifies the content and the extended attributes of the
 * file that an entry is made of; undefined if nothing is known about it. Returns undefined then, for a draft that deletes files, and for a very large one.
 */
export function listDraft(
  { entries }: Draft,
  contentOf: (file: DraftFile) => string | undefined,
): Map<ByteString, ListedEntry> | undefined {
  if (entries.length > MAX_LISTED) return undefined;
  const names = namesOfInodes(entries);
  const listing = new Map<ByteString, ListedEntry>();
  for (const entry of entries) {
    const content = entry.type === undefined ? undefined : contentIdOf(entry, contentOf);
    if (entry.type === undefined || content === undefined) return undefined;
    const { mode, uid, gid, rdev, size, mtimeNs } = entry.stats;
    const others = names.get(entry.stats.ino) ?? "";
    const numbers = `${Number(mode)} ${Number(uid)} ${Number(gid)} ${rdev} ${Number(size)} ${mtimeNs}`;
    listing.set(entry.path, { kind: kindOf(entry), key: `${numbers} ${content} ${others}` });
  }
  return listing;
}

function kindOf({ type, opaque }: DraftFile): string {
  return opaque ? "opq" : type.slice(0, 3);
}

function contentIdOf(file: DraftFile, contentOf: (file: DraftFile) => string | undefined): string | undefined {
  return file.type === "directory" ? file.attributes.map(attributesOf).join(";") : contentOf(file);
}

/** Returns the extended attributes of a file as text. */
function attributesOf(source: ByteString): string {
  const path = pathOfByteString(source);
  const names = llistxattr(path).filter((name) => !/^(trusted|user)\.overlay\./.test(name));
  return names.map((name) => `${name}=${lgetxattr(path, name)?.toString("hex")}`).join(",");
}

/** Returns the digest of the names of each file that has more than one. */
function namesOfInodes(entries: readonly DraftEntry[]): Map<bigint, Digest> {
  const names = new Map<bigint, ByteString[]>();
  for (const entry of entries) {
    if (entry.type === undefined || entry.type === "directory" || entry.stats.nlink === 1n) continue;
    const known = names.get(entry.stats.ino);
    if (known === undefined) names.set(entry.stats.ino, [entry.path]);
    else known.push(entry.path);
  }
  // No path contains two slashes in a row.
  return new Map([...names].map(([inode, each]) => [inode, digestOf(each.sort().join("//"))]));
}

/** Compares two versions of a layer. */
export function compareListings(before: Listing, after: Listing): ListingChanges {
  const removed = [...before.keys()].filter((path) => !after.has(path)).sort();
  const changed: ByteString[] = [];
  const replaced: ByteString[] = [];
  for (const [path, { kind, key }] of after) {
    const earlier = before.get(path);
    if (earlier?.kind === kind && earlier.key === key) continue;
    changed.push(path);
    if (earlier !== undefined && earlier.kind !== kind) replaced.push(path);
  }
  return { removed, changed: changed.sort(), replaced: replaced.sort() };
}

const SEPARATOR = "\0";

/** Encodes a listing for `decodeListing`. Names of files contain no NUL. */
export function encodeListing(listing: Listing): Buffer {
  const parts: string[] = [];
  for (const [path, { kind, key }] of listing) parts.push(path, kind + key);
  return Buffer.from(parts.join(SEPARATOR), "latin1");
}

/** @throws {VarveError} `corrupt` */
export function decodeListing(bytes: Uint8Array): Listing {
  const parts = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1").split(SEPARATOR);
  if (parts.length % 2 !== 0) throw new VarveError("corrupt", "Cannot read the listing of a layer: it is cut off");
  const listing = new Map<ByteString, ListedEntry>();
  for (let at = 0; at < parts.length; at += 2) {
    const value = parts[at + 1] ?? "";
    listing.set(parts[at] ?? "", { kind: value.slice(0, 3), key: value.slice(3) });
  }
  return listing;
}
