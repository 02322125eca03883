import type { ByteString } from "../linux/index.ts";

/** An entry of one layer. Paths are absolute: `/app/src`; the root directory is `/`. */
export type LayerEntry = LayerFile | LayerDirectory | LayerDeletion;

interface Entry {
  readonly path: ByteString;
}

/** Anything that is not a directory. */
export interface LayerFile extends Entry {
  readonly kind: "file" | "symlink" | "other";
  /** Digest of everything but the content: mode, owner, device number, target of a link, extended attributes. */
  readonly attributes: string;
  /** Digest of a regular file's content. Empty for other types. */
  readonly content: string;
}

export interface LayerDirectory extends Entry {
  readonly kind: "directory";
  /** As of a file. */
  readonly attributes: string;
  /** The directory hides the one below it. */
  readonly opaque: boolean;
}

/** The layer deletes what is below at this path. */
export interface LayerDeletion extends Entry {
  readonly kind: "deletion";
}

/** Returns the directory that a path is in. `/` is in itself. */
export function parentOf(path: ByteString): ByteString {
  const at = path.lastIndexOf("/");
  return at <= 0 ? "/" : path.slice(0, at);
}

/** Yields the directories above a path, nearest first, `/` last. */
export function* ancestorsOf(path: ByteString): Generator<ByteString> {
  for (let at = path; at !== "/";) {
    at = parentOf(at);
    yield at;
  }
}
