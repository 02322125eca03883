import { VarveError } from "../../core/index.ts";
import { byteStringOf, type ByteString, type Path } from "../../linux/index.ts";
import { quoted } from "../tar/format.ts";
import { sameFile } from "./same-file.ts";
import {
  findFile,
  hasLinks,
  isWhiteoutDevice,
  joinBytes,
  namesIn,
  type TreeFile,
  xattrNames,
  xattrOf,
} from "./tree.ts";

/**
 * A change of one path between two trees. "unmodified" is reported only for files with several names (hard links), because
 * another name of the file may have changed.
 */
export type Change =
  | { readonly kind: "add" | "modify" | "unmodified"; readonly file: TreeFile }
  | { readonly kind: "delete"; readonly path: ByteString };

/** What the upper directory is. */
export type UpperKind =
  /** A complete tree. A file of the lower tree that it lacks was deleted. */
  | { readonly kind: "tree" }
  /**
   * The upper directory of an overlay. A file that it lacks is unchanged, a 0:0 device marks a deletion, and an opaque directory
   * is complete. `prefix` is the prefix of overlayfs's attributes.
   */
  | { readonly kind: "overlay"; readonly prefix: "trusted.overlay." | "user.overlay." };

interface Frame {
  readonly path: ByteString;
  readonly lower: ByteString | undefined;
  readonly upper: ByteString;
  /** The upper directory is complete: a name that it lacks was deleted. */
  readonly complete: boolean;
  readonly names: Iterator<ByteString>;
}

/**
 * Returns the changes from one tree to another, in the order of containerd's change writer: directories before their entries,
 * names sorted by their bytes, deletions among them. Does not report the former entries of a deleted or replaced directory.
 * Both kinds of upper directory give the same changes. Yields undefined from time to time, so that the caller can pause.
 * @throws {VarveError} `unsupported` if the overlay was mounted with redirect_dir or metacopy
 */
export function* changes(lower: Path | undefined, upper: Path, upperKind: UpperKind): Generator<Change | undefined> {
  const top = lower === undefined ? undefined : byteStringOf(lower);
  const stack = [frame("", top, byteStringOf(upper), upperKind.kind === "tree")];
  for (let current = stack.at(-1); current !== undefined; current = stack.at(-1)) {
    const next = current.names.next();
    if (next.done === true) {
      stack.pop();
      continue;
    }
    const path = joinBytes(current.path, next.value);
    const [below, above] = [existing(current.lower, next.value, path), existing(current.upper, next.value, path)];
    if (above === undefined) {
      if (below !== undefined) yield { kind: "delete", path };
      continue;
    }
    if (above.type === "socket") continue;
    const opaque = upperKind.kind === "overlay" && isOpaque(above, upperKind.prefix);
    yield* compare(below, above);
    if (above.type !== "directory") continue;
    const lowerDirectory = below?.type === "directory" ? below.fullPath : undefined;
    stack.push(frame(path, lowerDirectory, above.fullPath, current.complete || opaque));
  }
}

function frame(path: ByteString, lower: ByteString | undefined, upper: ByteString, complete: boolean): Frame {
  const above = namesIn(upper);
  const names = complete && lower !== undefined ? merge(namesIn(lower), above) : above;
  return { path, lower, upper, complete, names: names.values() };
}

/** Returns the sorted union of two lists. */
function merge(a: readonly ByteString[], b: readonly ByteString[]): ByteString[] {
  return [...new Set([...a, ...b])].sort();
}

function existing(directory: ByteString | undefined, name: ByteString, path: ByteString): TreeFile | undefined {
  if (directory === undefined) return undefined;
  const file = findFile(`${directory}/${name}`, path);
  return file === undefined || isWhiteoutDevice(file) ? undefined : file;
}

function* compare(below: TreeFile | undefined, above: TreeFile): Generator<Change | undefined> {
  if (below === undefined) yield { kind: "add", file: above };
  else if (!(yield* sameFile(below, above))) yield { kind: "modify", file: above };
  else if (hasLinks(above)) yield { kind: "unmodified", file: above };
}

/** Returns whether a file is an opaque directory. Throws `unsupported` if it lacks its own name or content. */
function isOpaque(file: TreeFile, prefix: string): boolean {
  const names = xattrNames(file);
  if (names.length === 0) return false;
  for (const mark of ["redirect", "metacopy"]) {
    if (!names.includes(prefix + mark)) continue;
    throw new VarveError("unsupported", `Cannot diff ${quoted(file.path)}: the overlay was mounted with ${mark}`, {
      hint: "Mount overlays with redirect_dir=off and metacopy=off.",
    });
  }
  return (
    file.type === "directory" &&
    names.includes(`${prefix}opaque`) &&
    xattrOf(file, `${prefix}opaque`)?.toString() === "y"
  );
}
