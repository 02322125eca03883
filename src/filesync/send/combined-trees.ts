import { VarveError } from "../../core/index.ts";
import { type Bytes, bytesOf } from "../../io/index.ts";
import type { ByteString } from "../../linux/index.ts";
import { joinPath } from "../../pattern/index.ts";
import { GoMode, kindOf } from "../mode.ts";
import { comparePaths, joinBytes } from "../order.ts";
import { type Stat, emptyStat } from "../wire/stat.ts";
import type { Tree } from "./tree.ts";

/** A directory of a combined tree. */
export interface NamedTree {
  /** One component. */
  readonly name: ByteString;
  readonly tree: Tree;
  /** Nanoseconds since 1970. */
  readonly modTime?: bigint | undefined;
}

/**
 * Returns a tree that has each of the trees in a directory of its own, with mode 0755. Absolute symbolic links in them lead into
 * this directory, as in BuildKit.
 * @throws {VarveError} `invalid-argument` if two directories have the same name
 */
export function treesInDirectories(named: readonly NamedTree[]): Tree {
  const byName = new Map(named.map((each) => [each.name, each]));
  if (byName.size < named.length)
    throw new VarveError("invalid-argument", "Cannot combine trees: two of them have the same name");
  const sorted = [...byName.values()].sort((a, b) => comparePaths(a.name, b.name));
  return {
    async *entries() {
      for (const { name, tree, modTime = 0n } of sorted) {
        yield { ...emptyStat, path: name, mode: GoMode.directory + 0o755, modTime };
        for await (const stat of tree.entries())
          yield { ...stat, path: joinBytes(name, stat.path), linkname: linkInDirectory(name, stat) };
      }
    },
    open(path) {
      const slash = path.indexOf("/");
      return byName.get(path.slice(0, slash))?.tree.open(path.slice(slash + 1));
    },
  };
}

function linkInDirectory(directory: ByteString, { linkname, mode }: Stat): ByteString {
  if (linkname === "") return "";
  if (kindOf(mode) !== "symlink") return joinBytes(directory, linkname);
  return linkname.startsWith("/") ? joinPath(`/${directory}`, linkname) : linkname;
}

/** Returns a tree with the entries of all trees. If several have the same path, the last of these trees counts. */
export function mergedTrees(trees: readonly Tree[]): Tree {
  return trees.reduceRight((upper, lower) => ({
    entries: () => mergedEntries(lower, upper),
    open: (path) => upper.open(path) ?? lower.open(path),
  }));
}

async function* mergedEntries(lower: Tree, upper: Tree): AsyncGenerator<Stat> {
  const below = iteratorOf(lower);
  const above = iteratorOf(upper);
  try {
    let [a, b] = [await below.next(), await above.next()];
    while (a.done !== true || b.done !== true) {
      const order = a.done === true ? 1 : b.done === true ? -1 : comparePaths(a.value.path, b.value.path);
      if (order < 0 && a.done !== true) yield a.value;
      else if (b.done !== true) yield b.value;
      if (order <= 0) a = await below.next();
      if (order >= 0) b = await above.next();
    }
  } finally {
    await below.return(undefined);
    await above.return(undefined);
  }
}

async function* iteratorOf(tree: Tree): AsyncGenerator<Stat> {
  yield* tree.entries();
}

/** A file of `treeOfFiles`. */
export interface TreeFile {
  /** One component. */
  readonly name: ByteString;
  readonly content: Uint8Array;
  /** Permissions. */
  readonly mode: number;
  /** Nanoseconds since 1970. */
  readonly modTime: bigint;
}

/** Returns a tree with some files in its root. */
export function treeOfFiles(files: readonly TreeFile[]): Tree {
  const byName = new Map(files.map((file) => [file.name, file]));
  return {
    *entries() {
      for (const { name, content, mode, modTime } of [...byName.values()].sort((a, b) => comparePaths(a.name, b.name)))
        yield { ...emptyStat, path: name, mode, size: BigInt(content.length), modTime };
    },
    open(path): Bytes | undefined {
      const file = byName.get(path);
      return file === undefined ? undefined : bytesOf(file.content);
    },
  };
}
