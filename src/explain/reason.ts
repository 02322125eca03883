/** Why a step was not taken from a cache. */
export type Reason =
  /** No earlier run of the step is known. `stage`: no step of this stage is known either. */
  | { readonly kind: "first"; readonly stage?: string | undefined }
  /** The build, or a directive above the instruction, does not let the step use the cache. */
  | { readonly kind: "ignored"; readonly by: "no-cache" | "never" }
  /** The step has run before with the same inputs, longer ago than its directive allows. `ttl` is as written: `7d`. */
  | { readonly kind: "expired"; readonly ttl: string }
  /** The step has run before with the same inputs; its result was removed from the cache. */
  | { readonly kind: "pruned" }
  /** A cache has the result, but it could not be loaded. `detail` is the error's message, or what is said of the layer: `is gone (404)`. */
  | { readonly kind: "lost"; readonly cache: string; readonly layer?: string | undefined; readonly detail: string }
  /** An imported cache has the record of the step without its result. */
  | { readonly kind: "trimmed"; readonly cache: string }
  /** No earlier run of the step is known, and an imported cache that may have had it could not be used. */
  | { readonly kind: "unusable"; readonly cache: string; readonly detail: string }
  /** The key differs from that of the nearest earlier run. `changes` has at most `MAX_CHANGES` of `total`. */
  | { readonly kind: "changed"; readonly changes: readonly Change[]; readonly total: number }
  /** The step has run before, and nothing that was recorded of it differs. */
  | { readonly kind: "unknown" };

/** One difference between a step and an earlier run. Absent values: it was not there before, or is not there now. */
export type Change =
  | FileChange
  /** `hidden`: the name looks like that of a credential, so that the values are not known here. */
  | {
      readonly kind: "variable";
      readonly of: "ARG" | "ENV";
      readonly name: string;
      readonly before?: string | undefined;
      readonly after?: string | undefined;
      readonly hidden: boolean;
    }
  | { readonly kind: "instruction"; readonly before: string; readonly after: string }
  /** Something that a flag or an option sets: `platform`, `network`, `mount /root/.cache`. */
  | {
      readonly kind: "option";
      readonly name: string;
      readonly before?: string | undefined;
      readonly after?: string | undefined;
    }
  /** The value of one of these secrets, on which the key depends by a directive. Values are never shown. */
  | { readonly kind: "secret"; readonly ids: readonly string[] }
  /** A base image, a repository or a download is another one now. Values are digests, or what identifies it. */
  | { readonly kind: "source"; readonly name: string; readonly before: string; readonly after: string }
  /**
   * The result of another step differs. `cause`: why that step ran, as `rootReason` returns it. `files`: at most `MAX_CHANGES` of `total` files that differ.
   * `results`: the ids in the cache of the earlier result and of this one.
   */
  | {
      readonly kind: "step";
      readonly name: string;
      readonly results?: readonly [before: string, after: string] | undefined;
      readonly cause?: Reason | undefined;
      readonly files: readonly FileChange[];
      readonly total: number;
    };

/** A file that differs. */
export interface FileChange {
  readonly kind: "file";
  /** Relative to the context, or to the root of the stage that it is copied from. */
  readonly path: string;
  /** At least one. */
  readonly aspects: readonly FileAspect[];
}

/** What differs of a file. Sizes are in bytes, modes are permission bits. */
export type FileAspect =
  | { readonly kind: "added" | "removed" }
  | { readonly kind: "content"; readonly before: number; readonly after: number }
  | { readonly kind: "mode"; readonly before: number; readonly after: number }
  /** `uid:gid`. */
  | { readonly kind: "owner"; readonly before: string; readonly after: string }
  | { readonly kind: "type"; readonly before: string; readonly after: string }
  | { readonly kind: "target"; readonly before: string; readonly after: string }
  | { readonly kind: "renamed"; readonly from: string }
  /** Names of extended attributes. */
  | { readonly kind: "xattr"; readonly names: readonly string[] };

/** Maximum number of changes of one list. */
export const MAX_CHANGES = 1_000;

/** A reason with its one-line text, so that displays need no code of this module. */
export interface Explanation {
  readonly reason: Reason;
  /** See `reasonText`. Empty: there is nothing to say. */
  readonly text: string;
}
