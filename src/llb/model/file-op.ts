/**
 * Changes files of a filesystem. Each action changes a copy of its input and may become an output of the op. An index of
 * `inputs.length + k` refers to the result of action k. The fields are those of BuildKit's `pb.FileOp`.
 */
export interface FileOp {
  readonly kind: "file";
  readonly actions: readonly FileAction[];
}

/** An action and its operands. */
export type FileAction = ActionIndexes & FileActionBody;

/** The operands of an action. */
export interface ActionIndexes {
  /** The filesystem to change; `EMPTY` for an empty one. */
  readonly input: number;
  /** The filesystem to copy from; `EMPTY` if the action does not copy. */
  readonly secondaryInput: number;
  /** Output of the op, or `SKIP_OUTPUT`. */
  readonly output: number;
}

/** An action without its operands. */
export type FileActionBody = CopyAction | MkfileAction | MkdirAction | SymlinkAction | RmAction;

/** Nanoseconds since 1970, or `NO_TIMESTAMP`. */
export type Timestamp = bigint;
/** Copied files keep their time; created files get the current time. */
export const NO_TIMESTAMP: Timestamp = -1n;
/** A copy keeps the permissions of its source. */
export const KEEP_MODE = -1;

/** Copies files from the second operand. */
export interface CopyAction {
  readonly kind: "copy";
  readonly src: string;
  readonly dest: string;
  readonly owner?: Chown | undefined;
  /** Permission bits of everything that is copied, or `KEEP_MODE`. */
  readonly mode: number;
  /** A symbolic change of permissions (`u+x,g=r`); empty for none. */
  readonly modeStr: string;
  readonly followSymlink: boolean;
  /** Copy the entries of a source directory, not the directory itself. */
  readonly dirCopyContents: boolean;
  /** Unpack a source that is an archive, as `ADD` does. */
  readonly attemptUnpack: boolean;
  readonly createDestPath: boolean;
  readonly allowWildcard: boolean;
  readonly allowEmptyWildcard: boolean;
  readonly timestamp: Timestamp;
  readonly includePatterns: readonly string[];
  readonly excludePatterns: readonly string[];
  readonly requiredPaths: readonly string[];
  /** Replace a destination even if it is of another type than the source. */
  readonly alwaysReplaceExistingDestPaths: boolean;
}

/** Creates or replaces a file. */
export interface MkfileAction {
  readonly kind: "mkfile";
  readonly path: string;
  readonly mode: number;
  readonly data: Uint8Array;
  readonly owner?: Chown | undefined;
  readonly timestamp: Timestamp;
}

/** Creates a directory. */
export interface MkdirAction {
  readonly kind: "mkdir";
  readonly path: string;
  readonly mode: number;
  readonly makeParents: boolean;
  readonly owner?: Chown | undefined;
  readonly timestamp: Timestamp;
}

/** Creates a symbolic link. */
export interface SymlinkAction {
  readonly kind: "symlink";
  /** The target of the link. */
  readonly oldpath: string;
  /** The path of the link. */
  readonly newpath: string;
  readonly owner?: Chown | undefined;
  readonly timestamp: Timestamp;
}

/** Removes a file or a directory. */
export interface RmAction {
  readonly kind: "rm";
  readonly path: string;
  readonly allowNotFound: boolean;
  readonly allowWildcard: boolean;
}

/** A new owner; absent parts are not changed. */
export interface Chown {
  readonly user?: UserRef | undefined;
  readonly group?: UserRef | undefined;
}

/** A user or a group. */
export type UserRef =
  /** `input` is the filesystem whose `/etc/passwd` or `/etc/group` has the name. */
  | { readonly kind: "name"; readonly name: string; readonly input: number }
  | { readonly kind: "id"; readonly id: number };
