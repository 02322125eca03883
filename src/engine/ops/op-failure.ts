import type { Result } from "./result.ts";

/**
 * What a failed op leaves for whoever looks into the failure: the fields of BuildKit's `errdefs.Solve`. An absent result is one that
 * there is none of.
 */
export interface OpFailure {
  /** Of an exec op, one for each mount; of a file op, one for each input; of a cache key, the input that could not be read. */
  readonly inputs: readonly (Result | undefined)[];
  /** What was written until the failure. Of an exec op, one for each mount; of a file op, one for each action. */
  readonly mounts: readonly (Result | undefined)[];
  readonly subject: FailureSubject;
}

/** What failed. */
export type FailureSubject =
  | { readonly kind: "exec" }
  /** An action of a file op. */
  | { readonly kind: "file"; readonly index: number }
  /** The content key of an input. */
  | { readonly kind: "cache"; readonly index: number };

const failures = new WeakMap<object, OpFailure>();

/** Attaches a failure to an error. Returns the error. */
export function withFailure(error: unknown, failure: OpFailure): unknown {
  if (typeof error === "object" && error !== null) failures.set(error, failure);
  return error;
}

/** Maximum number of causes that are followed. */
const MAX_CAUSES = 64;

/** Returns the failure of an op that an error, or one of its causes, is about. */
export function opFailureOf(error: unknown): OpFailure | undefined {
  let cause = error;
  for (let depth = 0; depth < MAX_CAUSES && typeof cause === "object" && cause !== null; depth += 1) {
    const failure = failures.get(cause);
    if (failure !== undefined) return failure;
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  return undefined;
}
