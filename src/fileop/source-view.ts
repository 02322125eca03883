import { type BigIntStats, lstatSync } from "node:fs";
import { errnoOf } from "../core/index.ts";
import { Errno, type Path, Root, byteStringOf, joinPath, pathOfByteString, systemError } from "../linux/index.ts";
import { type PathVerdict, basePath, dirPath, joinPath as joinText } from "../pattern/index.ts";
import { type Metadata, listNames, metadataOf } from "../snapshot/index.ts";
import type { SourceTree } from "./source-tree.ts";

/** A visible entry of a source tree. */
export interface SourceEntry {
  /** For file operations. Only the last component can be a symbolic link. */
  readonly path: Path;
  /** Relative to the root, which is "". For patterns and messages: bytes that are not UTF-8 are replaced. */
  readonly text: string;
  readonly name: Path;
  readonly verdict: PathVerdict | undefined;
}

/** An open source tree. It applies the tree's filter and resolves paths inside the tree. */
export class SourceView implements Disposable {
  readonly #root: Root;
  readonly #tree: SourceTree;

  constructor(tree: SourceTree) {
    this.#root = Root.open(tree.path);
    this.#tree = tree;
  }

  /** The prefix of every entry's path. */
  get prefix(): string {
    return `${this.#root.path}/.`;
  }

  /**
   * Returns the entry at `path`. Symbolic links in its parents are followed inside the tree; with `follow`, so is the entry
   * itself. Throws ENOENT if it does not exist or the filter excludes it.
   */
  get(path: Path, { follow }: { readonly follow: boolean }): SourceEntry {
    const entry = this.#descend(byteStringOf(this.#resolve(path, follow)));
    if (entry === undefined)
      throw systemError(
        Errno.ENOENT,
        "lstat",
        joinPath(this.prefix, pathOfByteString(byteStringOf(path).replace(/^\/+/, ""))),
      );
    return entry;
  }

  /** Returns the visible entries of a directory, sorted bytewise. */
  children(directory: SourceEntry): SourceEntry[] {
    return listNames(directory.path)
      .map((name) => this.#child(directory, pathOfByteString(name)))
      .filter((entry) => entry !== undefined);
  }

  /** Returns an entry's metadata with the tree's owner and permission bits. */
  metadata(stat: BigIntStats): Metadata {
    const { owner, modes } = this.#tree;
    return { ...metadataOf(stat), ...owner, ...(modes === undefined ? {} : { mode: modes(Number(stat.mode)) }) };
  }

  [Symbol.dispose](): void {
    this.#root[Symbol.dispose]();
  }

  #resolve(path: Path, follow: boolean): Path {
    if (follow) return this.#root.locate(path);
    const text = byteStringOf(path);
    const [above, name] = [dirPath(text), basePath(text)];
    if (name === "/" || name === ".") return this.#root.locate(path);
    const parent = byteStringOf(this.#root.locate(pathOfByteString(above)));
    return pathOfByteString(joinText(parent, name));
  }

  #descend(path: string): SourceEntry | undefined {
    let entry: SourceEntry | undefined = { path: this.prefix, text: "", name: "/", verdict: undefined };
    for (const name of path.split("/").filter((part) => part !== "")) {
      if (entry !== undefined) entry = this.#child(entry, pathOfByteString(name));
    }
    return entry !== undefined && exists(entry.path) ? entry : undefined;
  }

  #child(directory: SourceEntry, name: Path): SourceEntry | undefined {
    const shown = typeof name === "string" ? name : name.toString("utf8");
    const text = directory.text === "" ? shown : `${directory.text}/${shown}`;
    const verdict = this.#tree.filter?.check(text, directory.verdict);
    const entry = { path: joinPath(directory.path, name), text, name, verdict };
    return this.#isVisible(entry) ? entry : undefined;
  }

  #isVisible(entry: SourceEntry): boolean {
    const { verdict, path } = entry;
    if (verdict === undefined || verdict.included) return true;
    if (!verdict.descend || !lstatSync(path).isDirectory()) return false;
    return listNames(path).some((name) => this.#child(entry, pathOfByteString(name)) !== undefined);
  }
}

function exists(path: Path): boolean {
  try {
    lstatSync(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return false;
    throw error;
  }
}
