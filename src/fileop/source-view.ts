import { type BigIntStats, lstatSync } from "node:fs";
import { errnoOf } from "../core/index.ts";
import { Errno, type Path, Root, byteStringOf, joinPath, pathOfByteString, systemError } from "../linux/index.ts";
import { type PathVerdict, basePath, dirPath, joinPath as joinText } from "../pattern/index.ts";
import { type Metadata, listNames, metadataOf } from "../snapshot/index.ts";
import type { SourceTree } from "./source-tree.ts";

/** An entry of a source tree that is there. */
export interface SourceEntry {
  /** For file operations. No component but the last is a link. */
  readonly path: Path;
  /** From the root, "" for the root itself, as text for patterns: bytes that are not UTF-8 are replaced. */
  readonly text: string;
  readonly name: Path;
  readonly verdict: PathVerdict | undefined;
}

/** A source tree, open: its filter applied, its paths resolved inside it. */
export class SourceView implements Disposable {
  readonly #root: Root;
  readonly #tree: SourceTree;

  constructor(tree: SourceTree) {
    this.#root = Root.open(tree.path);
    this.#tree = tree;
  }

  /** The prefix of the path of every entry. */
  get prefix(): string {
    return `${this.#root.path}/.`;
  }

  /**
   * The entry at `path`, links on the way followed inside the tree, the last one too if `follow` is set. Throws ENOENT if there
   * is none or the filter leaves it out.
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

  /** What is in a directory, sorted bytewise. */
  children(directory: SourceEntry): SourceEntry[] {
    return listNames(directory.path)
      .map((name) => this.#child(directory, pathOfByteString(name)))
      .filter((entry) => entry !== undefined);
  }

  metadata(stat: BigIntStats): Metadata {
    return { ...metadataOf(stat), ...this.#tree.owner };
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
    return this.#isThere(entry) ? entry : undefined;
  }

  #isThere(entry: SourceEntry): boolean {
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
