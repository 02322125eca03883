import { lstatSync } from "node:fs";
import { errnoOf } from "../../../core/index.ts";
import { type ByteString, byteStringOf, pathOfByteString } from "../../../linux/index.ts";
import { cleanPath, hasGlob, matchGlob } from "../../../pattern/index.ts";
import { failure, stepError } from "../failure.ts";
import { hashOfHashes } from "./file-hash.ts";
import type { SourceTree } from "../context/source-tree.ts";

/** One thing that COPY or ADD takes. */
export interface CopySource {
  readonly tree: SourceTree;
  /** As written, less what begins it: a link keeps its own name. */
  readonly path: ByteString;
  /** `file:…`, `dir:…`, or bare for a download. */
  readonly hash: string;
  /** A download is never unpacked. */
  readonly unpacks: boolean;
}

const MISSING: ReadonlySet<string | undefined> = new Set(["ENOENT", "ENOTDIR", "ELOOP"]);

/** What a source of COPY or ADD names in a tree. Throws the daemon's words for what is not there. */
export async function findSources(
  tree: SourceTree,
  source: string,
  { isContext }: { readonly isContext: boolean },
): Promise<CopySource[]> {
  const path = source.replace(/^\/+/, "").replace(/^\.\//, "");
  if (hasGlob(path)) return await matching(tree, path, isContext);
  return [await one(tree, byteStringOf(path), isContext)];
}

async function matching(tree: SourceTree, pattern: string, isContext: boolean): Promise<CopySource[]> {
  const found: CopySource[] = [];
  for (const path of tree.walk("")) {
    if (matchGlob(pattern, Buffer.from(path, "latin1").toString("utf8"))) found.push(await one(tree, path, isContext));
  }
  return found;
}

async function one(tree: SourceTree, path: ByteString, isContext: boolean): Promise<CopySource> {
  const clean = cleanPath(path);
  if (clean === ".." || clean.startsWith("../"))
    throw failure(500, `forbidden path outside the build context: ${path} ()`);
  const resolved = resolve(tree, path, isContext);
  if (!lstatSync(tree.fullPath(resolved)).isDirectory())
    return { tree, path, hash: `file:${await tree.hash(clean)}`, unpacks: true };
  const hashes: string[] = [];
  for (const each of tree.walk(resolved)) hashes.push(await tree.hash(each));
  return { tree, path, hash: hashOfHashes("dir", hashes.toSorted(bytewise)), unpacks: true };
}

function bytewise(a: ByteString, b: ByteString): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function resolve(tree: SourceTree, path: ByteString, isContext: boolean): ByteString {
  try {
    return tree.resolve(pathOfByteString(path));
  } catch (error) {
    if (!MISSING.has(errnoOf(error))) throw error;
    const shown = Buffer.from(cleanPath(path), "latin1").toString("utf8");
    const why = isContext ? "file not found in build context or excluded by .dockerignore: " : "";
    throw stepError(`${why}stat ${shown}: file does not exist`, error);
  }
}

/** All sources as the step's text names them. */
export function hashOf(sources: readonly CopySource[]): string {
  const [first] = sources;
  if (first !== undefined && sources.length === 1) return first.hash;
  return hashOfHashes(
    "multi",
    sources.map(({ hash }) => hash),
  );
}
