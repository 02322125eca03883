import { byteStringOf, type ByteString, type Path } from "../../linux/index.ts";
import { sameFile } from "./same-file.ts";
import { existing, hasLinks, joinBytes, namesIn, type TreeFile } from "./tree.ts";
import type { UpperTree } from "./upper.ts";

/**
 * A change of one path between two trees. "unmodified" is reported only for files with several names (hard links), because
 * another name of the file may have changed.
 */
export type Change =
  | { readonly kind: "add" | "modify" | "unmodified"; readonly file: TreeFile }
  | { readonly kind: "delete"; readonly path: ByteString };

interface Frame {
  readonly path: ByteString;
  readonly lower: ByteString | undefined;
  /** The upper directory is complete: a name that it lacks was deleted. */
  readonly complete: boolean;
  readonly names: Iterator<ByteString>;
}

/**
 * Returns the changes from one tree to another, in the order of containerd's change writer: directories before their entries,
 * names sorted by their bytes, deletions among them. Does not report the former entries of a deleted or replaced directory.
 * All kinds of upper tree give the same changes. Yields undefined from time to time, so that the caller can pause.
 * @throws {VarveError} `unsupported` if the overlay was mounted with redirect_dir or metacopy
 */
export function* changes(lower: Path | undefined, upper: UpperTree): Generator<Change | undefined> {
  const top = lower === undefined ? undefined : byteStringOf(lower);
  const stack = [frame("", top, upper, upper.complete)];
  for (let current = stack.at(-1); current !== undefined; current = stack.at(-1)) {
    const next = current.names.next();
    if (next.done === true) {
      stack.pop();
      continue;
    }
    const path = joinBytes(current.path, next.value);
    const [below, above] = [existing(current.lower, next.value, path), upper.file(path)];
    if (above === undefined) {
      if (below !== undefined) yield { kind: "delete", path };
      continue;
    }
    if (above.type === "socket") continue;
    const opaque = upper.isOpaque(above);
    yield* compare(below, above);
    if (above.type !== "directory") continue;
    const lowerDirectory = below?.type === "directory" ? below.fullPath : undefined;
    stack.push(frame(path, lowerDirectory, upper, current.complete || opaque));
  }
}

function frame(path: ByteString, lower: ByteString | undefined, upper: UpperTree, complete: boolean): Frame {
  const above = upper.names(path);
  const names = complete && lower !== undefined ? merge(namesIn(lower), above) : above;
  return { path, lower, complete, names: names.values() };
}

/** Returns the sorted union of two lists. */
function merge(a: readonly ByteString[], b: readonly ByteString[]): ByteString[] {
  return [...new Set([...a, ...b])].sort();
}

function* compare(below: TreeFile | undefined, above: TreeFile): Generator<Change | undefined> {
  if (below === undefined) yield { kind: "add", file: above };
  else if (!(yield* sameFile(below, above))) yield { kind: "modify", file: above };
  else if (hasLinks(above)) yield { kind: "unmodified", file: above };
}
