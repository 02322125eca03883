import type { ByteString } from "../../linux/index.ts";
import type { Held } from "./held-tree.ts";

/** What deletions in a layer do to the directory it is unpacked into. In any order, they concern what is below the layer. */
export interface Whiteouts {
  /** A deletion of `parent`'s entry. */
  remove(parent: Held, name: ByteString): void;
  /** A deletion of all that `directory` has from below. */
  clear(directory: Held): void;
  /** Called with the resolved path of everything that the layer itself brings. */
  unpacked(path: ByteString): void;
  /** Called with the resolved path of what was copied from below, only to be linked to or followed. */
  borrowed(path: ByteString): void;
  /** True if a deletion seen so far hides what is below at this resolved path. */
  hides(path: ByteString): boolean;
  /** True if what is at this resolved path of the directory came with the layer. */
  owns(path: ByteString): boolean;
  /** To be walked through after the last entry; each step is short. */
  finish(): Iterable<void>;
}

export const OPAQUE = ".wh..wh..opq";

/** True if `path` is one of `paths` or lies under one. */
export function isUnder(path: ByteString, paths: ReadonlySet<ByteString>): boolean {
  if (paths.size === 0) return false;
  for (let at: ByteString = path; ; at = at.slice(0, Math.max(0, at.lastIndexOf("/")))) {
    if (paths.has(at)) return true;
    if (at === "") return false;
  }
}

/** The names of an archive that is no layer mean what they say. */
export const noWhiteouts: Whiteouts = {
  remove: () => undefined,
  clear: () => undefined,
  unpacked: () => undefined,
  borrowed: () => undefined,
  hides: () => false,
  owns: () => true,
  finish: () => [],
};
