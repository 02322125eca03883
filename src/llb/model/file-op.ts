/**
 * Changes files of a tree. Each action takes the tree of `input`, changes a copy of it, and may yield output `output`.
 * An index of `inputs.length + k` is the result of action k. Field names are those of BuildKit's `pb.FileOp`.
 */
export interface FileOp {
  readonly kind: "file";
  readonly actions: readonly FileAction[];
}

export type FileAction = ActionIndexes & FileActionBody;

export interface ActionIndexes {
  /** The tree changed; `EMPTY` is an empty one. */
  readonly input: number;
  /** The tree copied from; `EMPTY` where the action has none. */
  readonly secondaryInput: number;
  /** Output of the op, or `SKIP_OUTPUT`. */
  readonly output: number;
}

export type FileActionBody = CopyAction | MkfileAction | MkdirAction | SymlinkAction | RmAction;

/** Nanoseconds since 1970, or `NO_TIMESTAMP`. */
export type Timestamp = bigint;
/** The file keeps the time it has. */
export const NO_TIMESTAMP: Timestamp = -1n;
/** A copy keeps the permissions of its source. */
export const KEEP_MODE = -1;

export interface CopyAction {
  readonly kind: "copy";
  readonly src: string;
  readonly dest: string;
  readonly owner?: Chown | undefined;
  /** Permission bits for all that is copied, or `KEEP_MODE`. */
  readonly mode: number;
  /** A symbolic change of permissions (`u+x,g=r`); empty is none. */
  readonly modeStr: string;
  readonly followSymlink: boolean;
  /** A directory's entries are copied, not itself. */
  readonly dirCopyContents: boolean;
  /** An archive is unpacked, as `ADD` does. */
  readonly attemptUnpack: boolean;
  readonly createDestPath: boolean;
  readonly allowWildcard: boolean;
  readonly allowEmptyWildcard: boolean;
  readonly timestamp: Timestamp;
  readonly includePatterns: readonly string[];
  readonly excludePatterns: readonly string[];
  readonly requiredPaths: readonly string[];
  /** What is at the destination is replaced even if it is of another type. */
  readonly alwaysReplaceExistingDestPaths: boolean;
}

export interface MkfileAction {
  readonly kind: "mkfile";
  readonly path: string;
  readonly mode: number;
  readonly data: Uint8Array;
  readonly owner?: Chown | undefined;
  readonly timestamp: Timestamp;
}

export interface MkdirAction {
  readonly kind: "mkdir";
  readonly path: string;
  readonly mode: number;
  readonly makeParents: boolean;
  readonly owner?: Chown | undefined;
  readonly timestamp: Timestamp;
}

export interface SymlinkAction {
  readonly kind: "symlink";
  /** What the link says. */
  readonly oldpath: string;
  /** Where the link is. */
  readonly newpath: string;
  readonly owner?: Chown | undefined;
  readonly timestamp: Timestamp;
}

export interface RmAction {
  readonly kind: "rm";
  readonly path: string;
  readonly allowNotFound: boolean;
  readonly allowWildcard: boolean;
}

export interface Chown {
  readonly user?: UserRef | undefined;
  readonly group?: UserRef | undefined;
}

export type UserRef =
  /** `input`: the tree whose `/etc/passwd` or `/etc/group` has the name. */
  | { readonly kind: "name"; readonly name: string; readonly input: number }
  | { readonly kind: "id"; readonly id: number };
