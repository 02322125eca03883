import { lstatSync } from "node:fs";
import { type Digest, compareBytes, errnoOf } from "../../../core/index.ts";
import { type ByteString, byteStringOf, pathOfByteString } from "../../../linux/index.ts";
import { cleanPath, hasGlob, matchGlob } from "../../../pattern/index.ts";
import { failure, stepError } from "../failure.ts";
import { hashOfHashes } from "./file-hash.ts";
import type { HashedTree } from "../context/hashed-tree.ts";

/** One source of COPY or ADD. */
export interface CopySource {
  readonly tree: HashedTree;
  /** As written, without a leading "/" or "./". A symbolic link is not resolved, so that the copy gets the link's name. */
  readonly path: ByteString;
  /** `file:…`, `dir:…`, or bare for a download. */
  readonly hash: string;
  /** False for a download, which is never unpacked. */
  readonly unpacks: boolean;
  /** The image of `--from`; undefined for other sources, and for the files of an empty stage. */
  readonly image?: Digest | undefined;
}

const MISSING: ReadonlySet<string | undefined> = new Set(["ENOENT", "ENOTDIR", "ELOOP"]);

/** Returns the sources that a path or pattern of COPY or ADD names in a tree. For a missing file, throws the daemon's error. */
export async function findSources(
  tree: HashedTree,
  source: string,
  { isContext }: { readonly isContext: boolean },
): Promise<CopySource[]> {
  const path = source.replace(/^\/+/, "").replace(/^\.\//, "");
  if (hasGlob(path)) return await matchingSources(tree, path, isContext);
  return [await sourceAt(tree, byteStringOf(path), isContext)];
}

async function matchingSources(tree: HashedTree, pattern: string, isContext: boolean): Promise<CopySource[]> {
  const found: CopySource[] = [];
  for (const path of tree.walk("")) {
    if (matchGlob(pattern, Buffer.from(path, "latin1").toString("utf8")))
      found.push(await sourceAt(tree, path, isContext));
  }
  return found;
}

async function sourceAt(tree: HashedTree, path: ByteString, isContext: boolean): Promise<CopySource> {
  const clean = cleanPath(path);
  if (clean === ".." || clean.startsWith("../"))
    throw failure(500, `forbidden path outside the build context: ${path} ()`);
  const resolved = resolve(tree, path, isContext);
  if (!lstatSync(tree.fullPath(resolved)).isDirectory())
    return { tree, path, hash: `file:${await tree.hash(clean)}`, unpacks: true };
  const hashes: string[] = [];
  for (const each of tree.walk(resolved)) hashes.push(await tree.hash(each));
  return { tree, path, hash: hashOfHashes("dir", hashes.toSorted(compareBytes)), unpacks: true };
}

function resolve(tree: HashedTree, path: ByteString, isContext: boolean): ByteString {
  try {
    return tree.resolve(pathOfByteString(path));
  } catch (error) {
    if (!MISSING.has(errnoOf(error))) throw error;
    const shown = Buffer.from(cleanPath(path), "latin1").toString("utf8");
    const why = isContext ? "file not found in build context or excluded by .dockerignore: " : "";
    throw stepError(`${why}stat ${shown}: file does not exist`, error);
  }
}

/** Returns the hash of all sources, as it appears in the step's text. */
export function hashOf(sources: readonly CopySource[]): string {
  const [first] = sources;
  if (first !== undefined && sources.length === 1) return first.hash;
  return hashOfHashes(
    "multi",
    sources.map(({ hash }) => hash),
  );
}
