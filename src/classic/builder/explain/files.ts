import { type Digest, compareBytes, digestOf, isDigest } from "../../../core/index.ts";
import type { ContentEntry, Header, NodeKind } from "../../../contenthash/index.ts";
import { type FileList, type Sealer, fileListOf } from "../../../explain/index.ts";
import { type ByteString, pathOfByteString } from "../../../linux/index.ts";
import type { CopySource } from "../copy/copy-sources.ts";
import type { HashedHeader } from "../copy/file-hash.ts";

const KINDS: Readonly<Record<HashedHeader["type"], NodeKind>> = {
  file: "file",
  hardlink: "file",
  symlink: "symlink",
  char: "character-device",
  block: "block-device",
  directory: "directory",
  fifo: "fifo",
};

/** Lists the files that COPY or ADD read, with the hashes of the image cache. The sources were found by `findSources`. */
export async function copiedFiles(sources: readonly CopySource[], sealer: Sealer): Promise<FileList> {
  const entries = new Map<ByteString, ContentEntry>();
  for (const { tree, path } of sources)
    for (const each of tree.walk(tree.resolve(pathOfByteString(path)))) {
      const hash = `sha256:${await tree.hash(each)}`;
      const digest: Digest = isDigest(hash) ? hash : digestOf(hash);
      entries.set(each, { path: `/${each}`, header: headerOf(tree.header(each)), digest });
    }
  const sorted = [...entries.values()].toSorted((a, b) => compareBytes(a.path, b.path));
  return fileListOf(sealer.withoutSealed(sorted));
}

function headerOf({ type, mode, uid, gid, size, linkPath, devMajor, devMinor, xattrs }: HashedHeader): Header {
  return {
    kind: KINDS[type],
    mode,
    uid,
    gid,
    size,
    linkname: linkPath,
    major: devMajor,
    minor: devMinor,
    xattrs: [...xattrs],
  };
}
