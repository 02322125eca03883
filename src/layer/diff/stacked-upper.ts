import { byteStringOf, type ByteString, type Path } from "../../linux/index.ts";
import { findFile, isWhiteoutDevice, joinBytes, namesIn, type TreeFile } from "./tree.ts";
import { isOpaque, type UpperKind, type UpperTree } from "./upper.ts";

/** A directory as several upper directories show it together. */
interface StackedDirectory {
  /** The upper directories that have it and are visible in it, topmost first. */
  readonly visible: readonly ByteString[];
  /** For each name, the topmost of these that has it. */
  readonly names: ReadonlyMap<ByteString, ByteString>;
  readonly opaque: boolean;
}

/** The upper directory that overlayfs would have if one had been written instead of several. */
class StackedUpper implements UpperTree {
  readonly complete = false;
  readonly #prefix: string;
  readonly #directories = new Map<ByteString, StackedDirectory>();

  constructor(uppers: readonly ByteString[], prefix: string) {
    this.#prefix = prefix;
    this.#directories.set("", { visible: uppers, names: listed(uppers, ""), opaque: false });
  }

  names(path: ByteString): ByteString[] {
    return [...this.#directory(path).names.keys()].sort();
  }

  file(path: ByteString): TreeFile | undefined {
    if (path === "") return findFile(`${this.#directory("").visible[0]}/.`, "");
    const slash = path.lastIndexOf("/");
    const upper = this.#directory(path.slice(0, Math.max(0, slash))).names.get(path.slice(slash + 1));
    const file = upper === undefined ? undefined : findFile(`${upper}/${path}`, path);
    return file === undefined || isWhiteoutDevice(file) ? undefined : file;
  }

  isOpaque(file: TreeFile): boolean {
    return file.type === "directory" ? this.#directory(file.path).opaque : isOpaque(file, this.#prefix);
  }

  #directory(path: ByteString): StackedDirectory {
    const known = this.#directories.get(path);
    if (known !== undefined) return known;
    const above = this.#directory(path.slice(0, Math.max(0, path.lastIndexOf("/"))));
    const visible: ByteString[] = [];
    let opaque = false;
    for (const upper of above.visible) {
      const file = findFile(`${upper}/${path}`, path);
      if (file === undefined) continue;
      // A directory that was made in the place of a deleted entry is not marked, but hides what is below the deletion.
      opaque = file.type !== "directory" || isOpaque(file, this.#prefix);
      if (file.type === "directory") visible.push(upper);
      if (opaque) break;
    }
    const directory = { visible, names: listed(visible, path), opaque };
    this.#directories.set(path, directory);
    return directory;
  }
}

function listed(uppers: readonly ByteString[], path: ByteString): Map<ByteString, ByteString> {
  const names = new Map<ByteString, ByteString>();
  for (const upper of uppers)
    for (const name of namesIn(joinBytes(upper, path))) if (!names.has(name)) names.set(name, upper);
  return names;
}

/**
 * Returns what several upper directories of overlays show together, topmost first: an upper directory that was used again as the
 * lower one of another overlay, for a new version of its layer. A deletion in one of them hides what the lower ones have, and deletes
 * nothing that none of them has.
 */
export function stackedUpper(directories: readonly Path[], kind: UpperKind & { readonly kind: "overlay" }): UpperTree {
  return new StackedUpper(directories.map(byteStringOf), kind.prefix);
}
