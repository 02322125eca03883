import { readdirSync } from "node:fs";
import { VarveError } from "../core/index.ts";
import { byteStringOf, pathOfByteString, type ByteString, type Path } from "../linux/index.ts";
import { DiskNode } from "./disk-node.ts";
import { statEntry, type FileStat } from "./file-stat.ts";
import type { Owner } from "./hash-entry.ts";
import type { Tree } from "./types.ts";

const nothing: ReadonlyMap<ByteString, DiskNode> = new Map();

/** Names in a directory in byte order. */
export function readNames(path: ByteString): ByteString[] {
  return readdirSync(pathOfByteString(path), { encoding: "latin1" }).sort();
}

class SnapshotNode extends DiskNode {
  #entries: ReadonlyMap<ByteString, DiskNode> | undefined;

  override entries(): ReadonlyMap<ByteString, DiskNode> {
    if (this.kind !== "directory") return nothing;
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
 * The tree of a mounted snapshot: everything counts as it is on disk, owners and the root's own header too. Directories are
 * read when they are first asked for. The tree must not change as long as this object is used.
 */
export function snapshotTree(directory: Path): Tree {
  const path = byteStringOf(directory).replace(/(?<=[^/])\/+$/, "");
  const stat = statEntry(path);
  if (stat === undefined) throw new VarveError("not-found", `Cannot checksum ${directory.toString()}: not found`);
  return { root: new SnapshotNode(path, stat) };
}

/** No filesystem at all: what `FROM scratch` begins with. */
export const scratchTree: Tree = { root: undefined };
