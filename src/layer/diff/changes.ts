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

/** What became of a path. "unmodified" is said only of files with several names, whose other names may have changed. */
export type Change =
  | { readonly kind: "add" | "modify" | "unmodified"; readonly file: TreeFile }
  | { readonly kind: "delete"; readonly path: ByteString };

/** How the upper directory is to be read. */
export type UpperKind =
  /** It is a whole tree: what is not there is gone. */
  | { readonly kind: "tree" }
  /**
   * It is an overlay's upper directory: what is not there is as below, a 0:0 device is a deletion, an opaque directory is
   * whole. `prefix` is that of the overlay's own attributes.
   */
  | { readonly kind: "overlay"; readonly prefix: "trusted.overlay." | "user.overlay." };

interface Frame {
  readonly path: ByteString;
  readonly lower: ByteString | undefined;
  readonly upper: ByteString;
  /** What is not in the upper directory is gone. */
  readonly whole: boolean;
  readonly names: Iterator<ByteString>;
}

/**
 * The changes from one tree to another: directory before content, names in the order of their bytes, a deletion where the name
 * would stand. Under a deleted or replaced directory nothing is said of what was there. Yields undefined now and then, so that
 * the caller can let others run. Both kinds of upper directory lead to the same changes.
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
    const opaque = upperKind.kind === "overlay" && readMarks(above, upperKind.prefix);
    yield* compare(below, above);
    if (above.type !== "directory") continue;
    const lowerDirectory = below?.type === "directory" ? below.fullPath : undefined;
    stack.push(frame(path, lowerDirectory, above.fullPath, current.whole || opaque));
  }
}

function frame(path: ByteString, lower: ByteString | undefined, upper: ByteString, whole: boolean): Frame {
  const above = namesIn(upper);
  const names = whole && lower !== undefined ? merge(namesIn(lower), above) : above;
  return { path, lower, upper, whole, names: names.values() };
}

/** The union of two sorted lists. */
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

/** True for an opaque directory; throws `unsupported` for what is not whole in itself. */
function readMarks(file: TreeFile, prefix: string): boolean {
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
