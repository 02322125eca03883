import { type ByteString, lgetxattr, pathOfByteString } from "../../linux/index.ts";
import { CAPABILITY, type FileStats, findFile, type TreeFile } from "../diff/tree.ts";
import { type FileType, TYPE_BITS } from "../tar/format.ts";
import type { Draft, DraftEntry } from "./draft.ts";

/** What the layer says about a file, whichever file has its content. */
export interface DraftMetadata {
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Nanoseconds since 1970. */
  readonly mtime: bigint;
}

/** A file that may have several names. */
interface Inode {
  readonly id: bigint;
  readonly type: FileType;
  /** The path of the file that has the content, the link's target and the extended attributes. Undefined for a new directory. */
  source: ByteString | undefined;
  /** The paths of the files whose extended attributes a directory has. */
  readonly attributes: ByteString[];
  /** The status of that file. */
  readonly stats: FileStats;
  readonly size: bigint;
  metadata: DraftMetadata;
  names: number;
}

type Node =
  | { readonly kind: "file"; readonly inode: Inode }
  /** `merged`: the entries of the lower directory are visible. */
  | { readonly kind: "directory"; readonly inode: Inode; readonly merged: boolean }
  | { readonly kind: "deleted" };

/** What a new file is made of. */
export interface DraftSource {
  readonly type: FileType;
  /** The path of the file that has the content and the extended attributes. */
  readonly path: ByteString;
  readonly stats: FileStats;
  /** The default is that of the file. */
  readonly size?: bigint | undefined;
}

const PERMISSIONS = 0o7777;
const SET_GID = 0o2000;

/**
 * Describes changes of a tree, as an overlay would record them in its upper directory, without making them. Contents stay where
 * they are. Paths are relative to the root, which is "". No component of a path may be a symbolic link.
 */
export class DraftTree {
  readonly #lower: ByteString | undefined;
  readonly #nodes = new Map<ByteString, Node>();
  #inodes = 0n;

  /** `lower` is the path of the tree that changes; without it, the tree is empty. */
  constructor(lower: ByteString | undefined) {
    this.#lower = lower;
    const stats = lower === undefined ? NOTHING : (findFile(`${lower}/.`, "")?.stats ?? NOTHING);
    const inode = this.#inode({ type: "directory", path: lower, stats });
    this.#nodes.set("", { kind: "directory", inode, merged: lower !== undefined });
  }

  /** Returns the type of the entry at a path; undefined if there is none. */
  typeOf(path: ByteString): FileType | undefined {
    const node = this.#nodes.get(path);
    if (node === undefined) return this.#lowerFile(path)?.type;
    return node.kind === "deleted" ? undefined : node.inode.type;
  }

  /** Creates a file. There must be none at the path. */
  create(path: ByteString, source: DraftSource): void {
    this.#add(path, { kind: "file", inode: this.#inode(source) });
  }

  /** Creates a directory of the current user without entries. There must be no file at the path. */
  makeDirectory(path: ByteString): void {
    const { metadata } = this.#directory(parentOf(path)).inode;
    const gid = (metadata.mode & SET_GID) === 0 ? (process.getegid?.() ?? 0) : metadata.gid;
    const inode = this.#inode({ type: "directory", path: undefined, stats: NOTHING });
    inode.metadata = { mode: 0o755, uid: process.geteuid?.() ?? 0, gid, mtime: now() };
    this.#add(path, { kind: "directory", inode, merged: false });
  }

  /** Gives another name to a file that this tree describes. */
  link(first: ByteString, path: ByteString): void {
    const { inode } = this.#own(first);
    inode.names += 1;
    this.#add(path, { kind: "file", inode });
  }

  /** Removes an entry with everything below it. */
  remove(path: ByteString): void {
    this.#touch(parentOf(path));
    const node = this.#nodes.get(path);
    if (node?.kind === "directory")
      for (const name of this.#nodes.keys()) if (name.startsWith(`${path}/`)) this.#drop(name);
    this.#drop(path);
    if (this.#lowerFile(path) !== undefined) this.#nodes.set(path, { kind: "deleted" });
  }

  /** Changes metadata. `attributesOf` is the path of a file whose extended attributes a directory gets, besides its own. */
  change(path: ByteString, changed: Partial<DraftMetadata>, attributesOf?: ByteString): void {
    const node = this.#own(path);
    node.inode.metadata = { ...node.inode.metadata, ...changed };
    if (node.kind !== "directory" || attributesOf === undefined) return;
    node.inode.attributes.push(attributesOf);
    // Layers contain one attribute only.
    if (node.inode.source === undefined || hasCapability(attributesOf)) node.inode.source = attributesOf;
  }

  /** Returns the description as plain data. */
  draft(): Draft {
    const entries: DraftEntry[] = [];
    for (const [path, node] of this.#nodes) entries.push(node.kind === "deleted" ? { path } : entryOf(path, node));
    return { lower: this.#lower, entries };
  }

  #drop(path: ByteString): void {
    const node = this.#nodes.get(path);
    if (node?.kind === "file") node.inode.names -= 1;
    this.#nodes.delete(path);
  }

  #add(path: ByteString, node: Exclude<Node, { kind: "deleted" }>): void {
    this.#touch(parentOf(path));
    this.#nodes.set(path, node);
  }

  /** Sets the time of a directory whose entries have changed. */
  #touch(path: ByteString): void {
    const { inode } = this.#directory(path);
    inode.metadata = { ...inode.metadata, mtime: now() };
  }

  #directory(path: ByteString): Node & { kind: "directory" } {
    const node = this.#own(path);
    if (node.kind === "directory") return node;
    throw Object.assign(new Error(`ENOTDIR: not a directory '/${path}'`), { code: "ENOTDIR" });
  }

  /** Returns the node at a path. Copies the entry of the lower tree up if there is none yet. */
  #own(path: ByteString): Exclude<Node, { kind: "deleted" }> {
    const known = this.#nodes.get(path);
    if (known !== undefined && known.kind !== "deleted") return known;
    const file = known === undefined ? this.#lowerFile(path) : undefined;
    if (file === undefined) throw Object.assign(new Error(`ENOENT: no such file '/${path}'`), { code: "ENOENT" });
    this.#own(parentOf(path));
    const inode = this.#inode({ type: file.type, path: file.fullPath, stats: file.stats });
    const node = file.type === "directory" ? ({ kind: "directory", inode, merged: true } as const) : undefined;
    const made = node ?? ({ kind: "file", inode } as const);
    this.#nodes.set(path, made);
    return made;
  }

  /** Returns the file of the lower tree at a path, if it is not hidden. The path itself must not have a node that hides it. */
  #lowerFile(path: ByteString): TreeFile | undefined {
    for (let above = path; above !== "";) {
      above = parentOf(above);
      const node = this.#nodes.get(above);
      if (node === undefined) continue;
      return node.kind === "directory" && node.merged ? findFile(`${this.#lower}/${path}`, path) : undefined;
    }
    return undefined;
  }

  #inode({
    type,
    path,
    stats,
    size = stats.size,
  }: Omit<DraftSource, "path"> & { path: ByteString | undefined }): Inode {
    this.#inodes += 1n;
    const mode = Number(stats.mode) & PERMISSIONS;
    const metadata = { mode, uid: Number(stats.uid), gid: Number(stats.gid), mtime: stats.mtimeNs };
    const attributes = path === undefined ? [] : [path];
    return { id: this.#inodes, type, source: path, attributes, stats, size, metadata, names: 1 };
  }
}

function entryOf(path: ByteString, node: Exclude<Node, { kind: "deleted" }>): DraftEntry {
  const { id, type, source, attributes, stats, size, metadata, names } = node.inode;
  return {
    path,
    type,
    source,
    attributes: type === "directory" ? attributes : [],
    opaque: node.kind === "directory" && !node.merged,
    // A device number that no other file has: a file of the draft is the same as no other.
    stats: {
      dev: -1n,
      ino: id,
      mode: BigInt(TYPE_BITS[type] | metadata.mode),
      nlink: BigInt(names),
      uid: BigInt(metadata.uid),
      gid: BigInt(metadata.gid),
      rdev: stats.rdev,
      size,
      atimeNs: stats.atimeNs,
      mtimeNs: metadata.mtime,
    },
    content: { ino: stats.ino, size: stats.size, mtimeNs: stats.mtimeNs },
  };
}

const NOTHING: FileStats = {
  dev: 0n,
  ino: 0n,
  mode: 0o755n,
  nlink: 1n,
  uid: 0n,
  gid: 0n,
  rdev: 0n,
  size: 0n,
  atimeNs: 0n,
  mtimeNs: 0n,
};

function hasCapability(path: ByteString): boolean {
  return lgetxattr(pathOfByteString(path), CAPABILITY) !== undefined;
}

function parentOf(path: ByteString): ByteString {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

function now(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}
