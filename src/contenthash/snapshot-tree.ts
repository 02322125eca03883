import { readdirSync } from "node:fs";
import { VarveError } from "../core/index.ts";
import { byteStringOf, pathOfByteString, type ByteString, type Path } from "../linux/index.ts";
import { DiskNode } from "./disk-node.ts";
import { statEntry, type FileStat } from "./file-stat.ts";
import type { Owner } from "./hash-entry.ts";
import type { Tree } from "./types.ts";

const NO_ENTRIES: ReadonlyMap<ByteString, DiskNode> = new Map();

/** Returns the names in a directory, in byte order. */
export function readNames(path: ByteString): ByteString[] {
  return readdirSync(pathOfByteString(path), { encoding: "latin1" }).sort();
}

class SnapshotNode extends DiskNode {
  #entries: ReadonlyMap<ByteString, DiskNode> | undefined;

  override entries(): ReadonlyMap<ByteString, DiskNode> {
    if (this.kind !== "directory") return NO_ENTRIES;
    this.#entries ??= this.#read();
    return this.#entries;
  }

  protected override ownerOf({ uid, gid }: FileStat): Owner {
    return { uid, gid };
  }

  #read(): Map<ByteString, DiskNode> {
    const entries = new Map<ByteString, DiskNode>();
    for (const name of readNames(this.path)) {
      const path = `${this.path}/${name}`;
      const stat = statEntry(path);
      if (stat !== undefined) entries.set(name, new SnapshotNode(path, stat));
    }
    return entries;
  }
}

/**
 * Returns the tree of a mounted snapshot. Checksums cover the owners on disk and the header of the root directory. A directory is
 * read when its entries are first needed. The files must not change while the tree is in use.
 * @throws {VarveError} `not-found` if the directory does not exist
 */
export function snapshotTree(directory: Path): Tree {
  const path = byteStringOf(directory).replace(/(?<=[^/])\/+$/, "");
  const stat = statEntry(path);
  if (stat === undefined) throw new VarveError("not-found", `Cannot checksum ${directory.toString()}: not found`);
  return { root: new SnapshotNode(path, stat) };
}

/** The tree of `FROM scratch`, which has not even a root directory. */
export const scratchTree: Tree = { root: undefined };
