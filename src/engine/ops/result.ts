import type { RecordId } from "../../record/index.ts";
import type { LocalContext } from "../../source/index.ts";

/**
 * What an op yields: a filesystem record, or a directory of this machine that steps read in place. Only records outlive a
 * build.
 */
export type Result =
  | { readonly kind: "record"; readonly id: RecordId }
  | { readonly kind: "context"; readonly context: LocalContext };

export function recordResult(id: RecordId): Result {
  return { kind: "record", id };
}
