import type { RecordId } from "../../record/index.ts";
import type { LocalContext } from "../../source/index.ts";

/**
 * The result of an op: a filesystem record, or a local directory that steps read in place. Only records are kept after the build.
 */
export type Result =
  | { readonly kind: "record"; readonly id: RecordId }
  | { readonly kind: "context"; readonly context: LocalContext };

export function recordResult(id: RecordId): Result {
  return { kind: "record", id };
}
